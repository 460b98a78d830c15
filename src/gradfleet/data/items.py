"""Raw items of the kind that training learned from, as a model's inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas
import torch

from gradfleet.data.channels import shaped
from gradfleet.data.decoding import apply_all
from gradfleet.data.examples import Inputs
from gradfleet.data.language import TextInputs, TextPreparation
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.prepared import DataFacts
from gradfleet.data.problems import listed
from gradfleet.data.table_inputs import Images, numbers_of
from gradfleet.data.tables import is_table, is_table_file, is_text, missing, read_table
from gradfleet.data.tabular import TablePreparation
from gradfleet.errors import DataError

_TEXT = ".txt"


def inputs_of(items: Any, facts: DataFacts) -> Inputs:
    """What a model that learned from data of these facts takes, a row an item.

    Args:
        items: paths or images, texts, or rows of numbers, as in training; of a table also a frame, a dict of columns,
            a list of dicts or a file of one.

    Raises:
        DataError: an item cannot be read, a column is missing, or the type is another than in training; it is named.
    """
    if isinstance(items, TextInputs):
        return items
    if facts.columns and _is_table(items):
        return table_inputs(read_table(items, one_column=True)[0], facts, folder_of(items))
    if isinstance(items, str | os.PathLike):
        raise DataError(f"predict takes a list of items, got the single {items!r}. Pass [{items!r}].")
    if facts.preparation is None or _is_batch(items, facts.input_shape):
        return _tensor(items, facts.input_shape)
    preparation = preparation_from_json(facts.preparation)
    if isinstance(preparation, TextPreparation):
        return preparation.inputs(_some(items))
    return apply_all(preparation, list(items))


def named_texts(items: Sequence[str], facts: DataFacts) -> list[tuple[str, str]]:
    """What a person types where texts are predicted: a text, the file of one, or the file of a table with a text a row.

    Each text comes with what it is called: its file, or itself.

    Raises:
        DataError: a file is not there or cannot be read, or a table has no such column.
    """
    found: list[tuple[str, str]] = []
    for item in items:
        path = Path(item)
        if not path.suffix or any(one.isspace() for one in item):
            found.append((item, item))
        elif is_table_file(path) and path.is_file():
            found += ((text, text) for text in _column_of(path, facts))
        elif path.suffix.lower() == _TEXT and path.is_file():
            found.append((item, path.read_text(encoding="utf-8", errors="replace")))
        elif is_table_file(path) or path.suffix.lower() == _TEXT:
            raise DataError(f"There is no file {item!r}. A text that ends like one is predicted from Python.")
        else:
            found.append((item, item))
    return found


def _column_of(table: Path, facts: DataFacts) -> list[str]:
    if not facts.columns:
        raise DataError(f"The model learned from files of texts, so {table.name} is no item: pass .txt files or texts.")
    frame, columns = read_table(table, one_column=True)[0], facts.columns["inputs"]
    _check_columns(frame, columns)
    return [str(text) for text in frame[columns[0]]]


def table_inputs(frame: pandas.DataFrame, facts: DataFacts, root: Path) -> Inputs:
    """The rows of a frame that has the columns of training; others are not used.

    Args:
        root: where the files lie that the frame names.

    Raises:
        DataError: a column is missing or of another type, or a cell is empty; it is named.
    """
    columns = facts.columns["inputs"]
    preparation = None if facts.preparation is None else preparation_from_json(facts.preparation)
    if isinstance(preparation, TablePreparation):
        return torch.from_numpy(preparation.apply_frame(frame))
    _check_columns(frame, columns)
    if preparation is None:
        _check_numbers(frame, columns)
        return _tensor(numbers_of(frame, columns), facts.input_shape)
    if isinstance(preparation, TextPreparation):
        return preparation.inputs(frame[columns[0]].tolist())
    return apply_all(preparation, Images(columns, preparation, root).items(frame))


def folder_of(items: Any) -> Path:
    """The folder that a table's file lies in; of other tables the working folder."""
    return Path(items).absolute().parent if isinstance(items, str | os.PathLike) else Path.cwd()


def _check_columns(frame: pandas.DataFrame, columns: Sequence[str]) -> None:
    problems = [
        f"The model learned from the column {name!r}, which is missing here; the columns are {listed(frame.columns)}."
        for name in columns
        if name not in frame.columns
    ]
    if problems:
        raise DataError(problems)
    empty = {name: missing(frame[name]) for name in columns}
    problems += [
        f"The column {name!r} has nothing in row {int(rows.argmax())} (the first row is 0)."
        for name, rows in empty.items()
        if rows.any()
    ]
    if problems:
        raise DataError(problems)


def _check_numbers(frame: pandas.DataFrame, columns: Sequence[str]) -> None:
    problems = [
        f"The column {name!r} holds numbers in training, got {frame[name].iloc[0]!r} in row 0."
        for name in columns
        if is_text(frame[name])
    ]
    if problems:
        raise DataError(problems)


def _is_table(items: Any) -> bool:
    if isinstance(items, str | os.PathLike):
        return is_table_file(Path(items)) and Path(items).exists()
    return is_table(items) and (isinstance(items, pandas.DataFrame | Mapping) or bool(items))


def _some(items: Any) -> list[Any]:
    found = list(items)
    if not found:
        raise DataError("At least one item is needed, got none.")
    return found


def _tensor(items: Any, input_shape: Sequence[int]) -> torch.Tensor:
    inputs = shaped(torch.as_tensor(items), input_shape)
    if tuple(inputs.shape[1:]) != tuple(input_shape):
        raise DataError(
            f"Inputs need the shape (rows, {', '.join(map(str, input_shape))}) as in training, "
            f"got {tuple(inputs.shape)}."
        )
    return inputs


def _is_batch(items: Any, input_shape: Sequence[int]) -> bool:
    """Whether `items` are prepared inputs already, all rows in one tensor."""
    return isinstance(items, torch.Tensor) and tuple(items.shape[1:]) == tuple(input_shape)
