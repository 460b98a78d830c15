"""Files that a person names among the items to predict: which ones there are, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradfleet.data.encodings import text_of
from gradfleet.data.tables import read_table
from gradfleet.errors import DataError

TEXT = ".txt"


def names_file(item: str) -> bool:
    """Whether what was typed is the name of a file that is there; a name has a suffix, and else may be a text."""
    path = Path(item)
    try:
        return bool(path.suffix) and path.is_file()
    except (OSError, ValueError):  # a text longer than any path, or with a zero byte
        return False


def typed_text(item: str) -> str:
    """The text in a .txt file.

    Raises:
        DataError: it is a file of another kind, or cannot be read.
    """
    path = Path(item)
    if path.suffix.lower() != TEXT:
        raise DataError(
            f"{item!r} is a file of no kind that texts are read from: .txt files and tables (.csv, .jsonl, ...). "
            "A text that is called like a file is predicted from Python."
        )
    return text_of(path)


def numbered_rows(table: Path) -> Iterator[tuple[str, Any]]:
    """The rows of a table's file as objects, each called by the file and its number.

    Raises:
        DataError: it cannot be read.
    """
    rows = read_table(table, one_column=True)[0].to_dict("records")
    yield from ((f"{table}:{number}", row) for number, row in enumerate(rows))
