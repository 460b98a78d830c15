"""Tables wherever they are: files, folders of them, class folders of texts, saved datasets, and objects in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas

from gradfleet.data import saved_datasets
from gradfleet.data.class_texts import ClassTexts
from gradfleet.data.folder_scan import holds_texts, split_folders
from gradfleet.data.part_names import PART_NAMES
from gradfleet.data.places import located
from gradfleet.data.prepared import PARTS
from gradfleet.data.problems import listed
from gradfleet.data.scratch import Scratch
from gradfleet.data.tables import is_table, is_table_file, read_table
from gradfleet.errors import DataError


def as_tables(given: Any) -> dict[str, Any] | None:
    """The table of each part, "train" among them, unread where it is a file; None when this is no table."""
    if isinstance(given, Path):
        return _tables_of_path(given)
    if saved_datasets.is_dataset(given):
        return _by_part(saved_datasets.frames(given))
    if isinstance(given, Mapping) and given and set(given) <= set(PARTS) and all(map(is_table, given.values())):
        return _by_part(given)
    return {"train": given} if is_table(given) else None


def one_table(given: Any, scratch: Scratch, *, skip: bool = False) -> tuple[pandas.DataFrame, list[str]]:
    """The frame of a table that is no more than one part, and what is to be said of how it was read.

    Raises:
        DataError: it is no table, or one of several parts.
    """
    return read_table(found_table(given, scratch), skip=skip)


def found_table(given: Any, scratch: Scratch) -> Any:
    """The same, unread: its file on this machine, or what it is in memory."""
    tables = as_tables(located(given, scratch))
    if tables is None:
        raise DataError(f"One table is needed, such as a CSV file or a frame, got {given!r}.")
    if set(tables) != {"train"}:
        name = given if isinstance(given, str | Path) else "What was given"
        raise DataError(f"{name} has parts, {listed(tables)}, and one of them is needed. Pass that one.")
    return tables["train"]


def _tables_of_path(path: Path) -> dict[str, Any] | None:
    if is_table_file(path):
        return {"train": path}
    if not path.is_dir():
        return None
    if saved_datasets.is_saved(path):
        return _by_part(saved_datasets.saved_tables(path))
    if found := _tables_in(path):
        return dict(found)
    folders = split_folders(path)
    # What is hidden for the final test stays unseen.
    if not holds_texts(folder for part, folder in folders.items() if part != "test"):
        return None
    return {part: ClassTexts(folder) for part, folder in folders.items()}


def _by_part(given: Mapping[str, Any]) -> dict[str, Any]:
    if "train" not in given:
        raise DataError(f"A dataset needs a train part, got {', '.join(given) or 'none'}.")
    return {part: table for part, table in given.items() if part in PARTS}


def _tables_in(folder: Path) -> dict[str, Path]:
    """The table files directly in a folder by the part that their name says; a single one trains whatever its name.

    Raises:
        DataError: there are several, and it is not clear which is which.
    """
    files = (
        sorted(path for path in folder.iterdir() if path.is_file() and is_table_file(path)) if folder.is_dir() else []
    )
    if sum(path.is_dir() for path in folder.iterdir()) > 1:
        return {}  # a table beside class folders is a description of them
    if len(files) == 1:
        return {"train": files[0]}
    named = {PART_NAMES.get(path.name.split(".")[0].lower(), path.name): path for path in files}
    if files and (len(named) < len(files) or not set(named) <= set(PARTS) or "train" not in named):
        raise DataError(
            f"{folder} has the tables {listed(path.name for path in files)}. Call them train, validation and test, or "
            "pass one of them."
        )
    return named
