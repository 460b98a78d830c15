"""The routes of `/v1`, a file a noun."""
