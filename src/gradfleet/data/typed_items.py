"""What a person types to be predicted: files, tables, and where a model learned from texts the texts themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gradfleet.data.items import raw_items
from gradfleet.data.prepared import DataFacts
from gradfleet.data.scratch import Scratch
from gradfleet.data.tables import is_table_file
from gradfleet.data.typed_files import TEXT, names_file, numbered_rows, typed_text
from gradfleet.errors import DataError


def named_items(items: Sequence[str], facts: DataFacts, scratch: Scratch) -> list[tuple[str, Any]]:
    """Each item as `predict` takes it, with what it is called: its file, the row of a table, or a text itself.

    Args:
        scratch: what is unpacked lies there.

    Raises:
        DataError: a file is not there or cannot be read, is of no kind that is read, or is a table without the columns
            of training.
    """
    return [found for item in items for found in _found(item, facts, scratch)]


def _found(item: str, facts: DataFacts, scratch: Scratch) -> Iterator[tuple[str, Any]]:
    path = Path(item)
    is_file, is_table = names_file(item), is_table_file(path)
    if is_table and is_file:
        yield from _of_table(path, facts, scratch)
    elif not facts.tokens:
        yield item, os.path.abspath(item)
    elif is_file:
        yield item, typed_text(item)
    elif (is_table or path.suffix.lower() == TEXT) and not any(one.isspace() for one in item):
        raise DataError(f"There is no file {item!r}. A text that ends like one is predicted from Python.")
    else:
        yield item, item


def _of_table(path: Path, facts: DataFacts, scratch: Scratch) -> Iterator[tuple[str, Any]]:
    if facts.tokens or len(facts.input_shape) == 3:
        yield from ((str(one), one) for one in raw_items(path, facts, scratch))
    else:
        yield from numbered_rows(path)
