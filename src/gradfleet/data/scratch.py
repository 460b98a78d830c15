"""A temporary folder for what is unpacked or downloaded, gone with the dataset that needed it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class Scratch:
    """Folders that are made when they are asked for.

    Attributes:
        known: what was put where, so that nothing is unpacked or downloaded twice.
    """

    def __init__(self) -> None:
        self.known: dict[str, Path] = {}

    def folder(self) -> Path:
        """A new empty folder; it is removed when this object is, or when the process ends."""
        path = tempfile.mkdtemp(prefix="gradfleet-data-")
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return Path(path)
