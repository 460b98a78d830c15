"""What people call the parts of data, whether folders, tables or the cells of a split column are called so."""

from __future__ import annotations

PART_NAMES = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""The part by its name in lower case."""
