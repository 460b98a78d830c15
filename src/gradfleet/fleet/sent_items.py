"""What a person types to be predicted by a service, as it is sent there."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradfleet.data.problems import listed
from gradfleet.data.tables import is_table_file, read_table
from gradfleet.data.typed_files import names_file, numbered_rows, typed_text
from gradfleet.errors import DataError


def sent_for(item: str, kind: str | None) -> Iterator[tuple[str, Any]]:
    """What is sent for an item, with what it is called; several where it is the file of a table.

    Args:
        kind: what the model predicts, "images", "texts" or "rows".

    Raises:
        DataError: a file cannot be read, or is of no kind that is.
    """
    path = Path(item)
    is_file = names_file(item)
    if kind == "images":
        yield item, _as_base64(path)
    elif is_file and is_table_file(path):
        yield from _rows_of(path, kind)
    elif kind != "texts":
        raise DataError(f"The model learned from rows of a table, so an item is the file of one; got {item!r}.")
    elif is_file:
        yield item, typed_text(item)
    else:
        yield item, item


def _rows_of(table: Path, kind: str | None) -> Iterator[tuple[str, Any]]:
    if kind != "texts":
        yield from numbered_rows(table)
        return
    frame, _ = read_table(table, one_column=True)
    if len(frame.columns) > 1:
        raise DataError(
            f"A service is sent texts alone, and {table} has the columns {listed(frame.columns)}. Keep one."
        )
    yield from ((str(text), str(text)) for text in frame[frame.columns[0]])


def _as_base64(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        raise DataError(f"{file} cannot be read as an image: {error.strerror}.") from error
