"""Tables: files, pandas, dicts and lists of dicts as one frame."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas

from gradfleet.data.class_texts import ClassTexts
from gradfleet.data.delimited import read_delimited
from gradfleet.data.encodings import encoding_of
from gradfleet.data.half_characters import whole_texts
from gradfleet.data.saved_datasets import SavedTable
from gradfleet.data.unpacked_size import PACKED, check_packed
from gradfleet.errors import DataError

_MISSING = frozenset(["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"])
_READERS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")


def is_table_file(path: Path) -> bool:
    return _suffix(path) in _READERS


def is_table(given: Any) -> bool:
    """A frame, a dict of columns, a list of dicts, a part of a saved dataset, or class folders of texts."""
    return isinstance(given, pandas.DataFrame | Mapping | ClassTexts | SavedTable) or (
        isinstance(given, list) and bool(given) and all(isinstance(row, Mapping) for row in given)
    )


def are_texts(given: Any) -> bool:
    """Whether these are texts in a row: a list, a tuple, an array or a Series of strings, some of them perhaps None."""
    if not isinstance(given, list | tuple | np.ndarray | pandas.Series) or getattr(given, "ndim", 1) != 1:
        return False
    column = pandas.Series(list(given), dtype=object)
    return bool(column.notna().any()) and is_text(column)


def read_table(given: Any, *, skip: bool = False, one_column: bool = False) -> tuple[pandas.DataFrame, list[str]]:
    """A frame with rows numbered from 0, and what is to be said of how it was read.

    Args:
        skip: whether what cannot be read is left out: lines with too many cells, and files of texts.
        one_column: whether a delimited file may have one column only.

    Raises:
        DataError: it cannot be read; the line is named.
    """
    if isinstance(given, pandas.DataFrame):
        frame, said = given.reset_index(drop=True), list[str]()
    elif isinstance(given, Mapping | list):
        frame, said = _of_objects(given), []
    elif isinstance(given, SavedTable):
        frame, said = given.read(), []
    elif isinstance(given, ClassTexts):
        frame, said = given.read(skip=skip)
    else:
        frame, said = _of_file(Path(given), skip=skip, one_column=one_column)
    if not len(frame) or not len(frame.columns):
        name = given if isinstance(given, str | Path) else "The table"
        raise DataError(f"{name} has no rows. It needs a row an example, and a column for the target.")
    frame.columns = pandas.Index([str(name) for name in frame.columns])
    if twice := frame.columns[frame.columns.duplicated()].tolist():
        raise DataError(f"Each column of a table needs a name of its own, got {twice[0]!r} several times. Rename one.")
    frame, mended = whole_texts(frame)
    return frame, [*said, *mended]


def _of_file(path: Path, *, skip: bool, one_column: bool) -> tuple[pandas.DataFrame, list[str]]:
    suffix = _suffix(path)
    try:
        check_packed(path)
        if suffix in (".csv", ".tsv"):
            frame, said = read_delimited(path, skip_bad_lines=skip, one_column=one_column)
            return frame.apply(typed), said
        if suffix in (".parquet", ".pq"):
            return pandas.read_parquet(path), []
        encoding, said = encoding_of(path)
        return (_of_json_lines if suffix in (".jsonl", ".ndjson") else _of_json)(path, encoding), said
    except FileNotFoundError as problem:
        raise DataError(f"There is no file {path}.") from problem
    except (OSError, EOFError, UnicodeDecodeError) as problem:
        raise DataError(f"{path} cannot be read: {problem}") from problem
    except ValueError as problem:
        if isinstance(problem, DataError):
            raise
        raise DataError(f"{path} cannot be read as {suffix}: {problem}") from problem


def _of_json_lines(path: Path, encoding: str) -> pandas.DataFrame:
    rows = []
    with fsspec.open(str(path), "rt", compression="infer", encoding=encoding) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                rows.append(_object(line, f"Line {number} of {path}"))
    return _of_objects(rows)


def _of_json(path: Path, encoding: str) -> pandas.DataFrame:
    with fsspec.open(str(path), "rt", compression="infer", encoding=encoding) as file:
        content = json.load(file)
    if isinstance(content, list) and all(isinstance(row, dict) for row in content):
        return _of_objects(content)
    if isinstance(content, dict) and content and all(isinstance(column, list) for column in content.values()):
        return _of_objects(content)
    raise DataError(f"{path} needs a list of objects, one a row, or an object of columns.")


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as problem:
        raise DataError(f"{where} is no JSON: {problem}.") from problem
    if not isinstance(row, dict):
        raise DataError(f'{where} needs an object such as {{"text": ..., "label": ...}}, got {type(row).__name__}.')
    return row


def _of_objects(given: Mapping[Any, Any] | Sequence[Any]) -> pandas.DataFrame:
    if not isinstance(given, Mapping):
        return _frame(list(given))
    columns = {str(name): _column(values) for name, values in given.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns of a dict need as many rows as each other, got {lengths}.")
    return _frame(columns)


def _frame(content: Any) -> pandas.DataFrame:
    try:
        return pandas.DataFrame(content)
    except UnicodeEncodeError:  # half a character, which pandas' strings cannot hold; `whole_texts` mends it
        return pandas.DataFrame(content, dtype=object)


def _column(values: Any) -> Any:
    """Arrays of several axes, and tensors, as one object a row; a Series in its order, however it numbers its rows."""
    if isinstance(values, pandas.Series):
        return values.reset_index(drop=True)
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return list(values)
    return values if hasattr(values, "__len__") and not isinstance(values, str) else list(values)


def typed(column: pandas.Series) -> pandas.Series:
    """Strings of a file as whole numbers, floats or strings: what all cells that are not missing can be read as.

    Numbers with leading zeros, such as post codes, stay strings.
    """
    known = column[~column.isin(_MISSING) & column.notna()]
    if not len(known) or known.str.match(r"^[+-]?0[0-9]").any():
        return column
    numbers = pandas.to_numeric(known, errors="coerce")
    if numbers.isna().any():
        return column
    if numbers.dtype.kind in "iu":
        return (
            numbers.reindex(column.index)
            if len(known) == len(column)
            else numbers.astype("Int64").reindex(column.index)
        )
    return numbers.astype(float).reindex(column.index)


def missing(column: pandas.Series) -> Any:
    """Which cells hold nothing: None, NaN, an empty string, or an object of no more than these."""
    empty = column.isna().to_numpy()
    if is_text(column) or column.dtype == object:
        return empty | np.array([_is_empty(cell) for cell in column], bool)
    return empty


def _is_empty(cell: Any) -> bool:
    if isinstance(cell, Mapping):  # such as an image of Hugging Face datasets, without bytes and path
        return all(part is None or _is_empty(part) for part in cell.values())
    return isinstance(cell, str | bytes) and not cell


def is_text(column: pandas.Series) -> bool:
    """Whether the column holds strings, and nothing else but missing cells."""
    if isinstance(column.dtype, pandas.StringDtype):
        return True
    return column.dtype == object and all(isinstance(one, str) for one in column.dropna())


def are_numbers(column: pandas.Series) -> bool:
    """Whether the column holds numbers, some of them perhaps as strings, and nothing else but missing cells."""
    if column.dtype != object:
        return column.dtype.kind in "iuf"
    return all(isinstance(one, str | Real) and not isinstance(one, bool) for one in column.dropna())


def as_texts(column: pandas.Series) -> pandas.Series:
    """Numbers as the strings that they are written as; strings stay."""
    if is_text(column):
        return column
    return column.astype(object).map(str, na_action="ignore")


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
