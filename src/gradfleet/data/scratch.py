"""A temporary folder for what is unpacked or downloaded, gone with the dataset that needed it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gradfleet.errors import DataError, Line


class Scratch:
    """Folders that are made when they are asked for.

    Attributes:
        known: what was put where, so that nothing is unpacked or downloaded twice.
    """

    def __init__(self) -> None:
        self.known: dict[str, Path] = {}
        self._folders: dict[Path, str] = {}

    def folder(self, name: str) -> Path:
        """A new empty folder; it is removed when this object is, or when the process ends.

        Args:
            name: what its user knows its content by.
        """
        path = Path(tempfile.mkdtemp(prefix="gradfleet-data-")).absolute()
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        self._folders[path] = name
        return path

    def around(self, path: Path) -> Path | None:
        """The folder that `path` lies in or is; None where it is in none of these."""
        return next((folder for folder in self._folders if path.is_relative_to(folder)), None)

    def told(self, text: str) -> str:
        """The text with the user's own names for what lies in these folders."""
        for folder, name in self._folders.items():
            text = text.replace(str(folder), name)
        return text

    @contextmanager
    def naming(self) -> Iterator[None]:
        """What is wrong with data in these folders is said by the user's own names."""
        try:
            yield
        except DataError as error:
            if not self._folders:
                raise
            lines = [
                Line(self.told(one), one.amount) if isinstance(one, Line) else self.told(one) for one in error.problems
            ]
            raise DataError(lines) from error
