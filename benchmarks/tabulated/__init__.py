"""Searches over results that were tabulated once, and the tables."""
