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
        self._folders: list[Path] = []

    def folder(self) -> Path:
        """A new empty folder; it is removed when this object is, or when the process ends."""
        path = Path(tempfile.mkdtemp(prefix="gradfleet-data-")).absolute()
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        self._folders.append(path)
        return path

    def around(self, path: Path) -> Path | None:
        """The folder that `path` lies in or is; None where it is in none of these."""
        return next((folder for folder in self._folders if path.is_relative_to(folder)), None)
