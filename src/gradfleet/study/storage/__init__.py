"""Where a study is kept: its database, its tables, and the lease of who may write them."""
