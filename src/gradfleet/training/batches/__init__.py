"""How many batches there are, how large they are, and the parts they are taken through in."""
