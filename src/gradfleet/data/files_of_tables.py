"""The files that the cells of a table name: where they lie, and which ones a table may not name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas

from gradfleet.data.problems import numbered
from gradfleet.data.saved_datasets import SavedTable
from gradfleet.data.scratch import Scratch
from gradfleet.errors import DataError

_TRIED = 100  # names by which the folder of the files is found


@dataclass(frozen=True, slots=True)
class Files:
    """Where the files of one table lie.

    Attributes:
        folder: of the table; its files are below it, or below the one folder in it that has them.
        bounds: what came with the table, where that was an archive or a URL: it may name no file outside. A table of
            one's own may, and has None.
    """

    folder: Path
    bounds: Path | None = None

    @classmethod
    def beside(cls, table: Any, scratch: Scratch | None = None) -> Files:
        """Those of a table on the disk; tables in memory name files from the working folder.

        Args:
            scratch: what holds what was unpacked and fetched.
        """
        if isinstance(table, SavedTable):
            folder = table.folder
        elif isinstance(table, str | os.PathLike):
            folder = Path(table).absolute().parent
        else:
            return cls(Path.cwd())
        return cls(folder, scratch.around(folder) if scratch else None)

    def items(self, cells: Sequence[Any]) -> list[Any]:
        """What the cells name: files as whole paths, anything else as it is."""
        folder = self._folder_of([cell for cell in cells if isinstance(cell, str) and not os.path.isabs(cell)])
        return [_item(cell, folder) for cell in cells]

    def bad_rows(self, column: pandas.Series) -> dict[str, npt.NDArray[np.bool_]]:
        """Rows whose file is not there, or none of this table's, by the reason."""
        items, name = self.items(column.tolist()), column.name
        outside = self._outside(items)
        absent = _where(isinstance(item, Path) and not os.path.exists(item) for item in items) & ~outside
        found = {"no file for {}, such as {},": absent, "a file outside its archive or URL in {}, such as {},": outside}
        return {reason.format(repr(name), repr(_first(column, rows))): rows for reason, rows in found.items()}

    def check(self, column: pandas.Series) -> None:
        """
        Raises:
            DataError: a cell names a file that the table may not name.
        """
        outside = self._outside(self.items(column.tolist()))
        if outside.any():
            raise DataError(
                f"A table names files of its own archive or URL only; {column.name!r} has others, such as "
                f"{_first(column, outside)!r}, in the rows {numbered(np.flatnonzero(outside).tolist())}."
            )

    def _outside(self, items: Iterable[Any]) -> npt.NDArray[np.bool_]:
        # By the names alone: nothing that was unpacked or fetched is a link.
        bounds = None if self.bounds is None else f"{self.bounds}{os.sep}"
        return _where(
            bounds is not None and isinstance(item, Path) and not os.path.normpath(item).startswith(bounds)
            for item in items
        )

    def _folder_of(self, names: Sequence[str]) -> Path:
        """`folder`, unless it has none of the first files and exactly one folder in it has some."""

        def has(folder: Path) -> bool:
            return any(os.path.exists(folder / name) for name in names[:_TRIED])

        if not names or not self.folder.is_dir() or has(self.folder):
            return self.folder
        found = [folder for folder in self.folder.iterdir() if folder.is_dir() and has(folder)]
        return found[0] if len(found) == 1 else self.folder


def _item(cell: Any, folder: Path) -> Any:
    if isinstance(cell, Mapping):  # as Hugging Face datasets hold images
        return cell["bytes"] or _item(cell["path"], folder)
    return folder / cell if isinstance(cell, str) and cell else cell


def _where(rows: Iterable[bool]) -> npt.NDArray[np.bool_]:
    return np.fromiter(rows, bool)


def _first(column: pandas.Series, rows: npt.NDArray[np.bool_]) -> Any:
    return column.iloc[int(rows.argmax())] if rows.any() else ""
