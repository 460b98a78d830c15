"""Several labels a row: lists of names, or names in one string, as columns of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas

from gradfleet.data.encoders import LabelEncoder

_DELIMITERS = "|;,"


def labels_of(cell: Any) -> Iterator[str]:
    """The labels of one row: a list, or names between one of | ; and commas; an empty one has none."""
    if isinstance(cell, str):
        delimiter = next((one for one in _DELIMITERS if one in cell), ",")
        yield from (name.strip() for name in cell.split(delimiter) if name.strip())
    elif isinstance(cell, list | tuple | set | np.ndarray):
        yield from map(str, cell)
    elif not pandas.isna(cell):
        yield str(cell)


def are_label_lists(rows: Any) -> bool:
    """Whether each row is a list of names; columns of numbers are none."""
    return isinstance(rows, Iterable) and all(
        isinstance(row, list | tuple | set | np.ndarray) and all(isinstance(name, str) for name in row) for row in rows
    )


def as_columns(rows: Iterable[Any], encoder: LabelEncoder, part: str) -> npt.NDArray[np.float32]:
    """A column a label: 1 where the row has it.

    Args:
        part: what the rows are called in an error, such as "validation".

    Raises:
        DataError: a label that training never saw.
    """
    names = [list(labels_of(row)) for row in rows]
    numbers = encoder.encode([name for row in names for name in row], part)
    found = np.zeros((len(names), len(encoder.labels)), np.float32)
    found[np.repeat(np.arange(len(names)), [len(row) for row in names]), numbers] = 1
    return found
