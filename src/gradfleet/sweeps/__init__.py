"""Sweeps as files: read, checked, and run as the same calls that Python would make."""
