"""Raw items of the kind that training learned from, as a model's inputs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch
from PIL.Image import Image

from gradfleet.data.archive import is_archive
from gradfleet.data.channels import shaped
from gradfleet.data.columns import are_images
from gradfleet.data.decoding import apply_all, decoded
from gradfleet.data.examples import Inputs
from gradfleet.data.files_of_tables import Files
from gradfleet.data.found_tables import found_table
from gradfleet.data.language import TextInputs, TextPreparation
from gradfleet.data.opened_images import is_one_image
from gradfleet.data.preparation import Preparation, preparation_from_json
from gradfleet.data.prepared import DataFacts
from gradfleet.data.problems import listed
from gradfleet.data.rows import slim
from gradfleet.data.scratch import Scratch
from gradfleet.data.table_inputs import numbers_of
from gradfleet.data.tables import as_texts, is_table, is_table_file, is_text, missing, read_table
from gradfleet.data.tabular import TablePreparation
from gradfleet.data.vision import ImagePreparation
from gradfleet.errors import DataError

_IN_MEMORY = 256  # images


def inputs_of(items: Any, facts: DataFacts) -> Inputs:
    """What a model that learned from data of these facts takes, a row an item.

    Args:
        items: paths or images, texts, or rows of numbers, as in training; also a frame, a dict of columns, a list of
            dicts, or the path or URL of a table's file.

    Raises:
        DataError: an item cannot be read, a column is missing, or the type is another than in training; it is named.
    """
    if isinstance(items, TextInputs):
        return items
    preparation = _preparation(facts)
    scratch = Scratch()  # holds what is unpacked until it is read
    if preparation is not None and not isinstance(preparation, TablePreparation):
        if isinstance(items, torch.Tensor) and tuple(items.shape[1:]) == tuple(facts.input_shape):
            return _numbers(items, facts)  # prepared already
        with scratch.naming():
            return prepared(raw_items(items, facts, scratch), preparation)
    table = _table(items, scratch)
    if table is not None:
        return _table_inputs(read_table(table, one_column=True)[0], facts)
    _refuse_one(items)
    return _numbers(items, facts)


def raw_items(items: Any, facts: DataFacts, scratch: Scratch) -> list[Any]:
    """The images or texts of what `inputs_of` takes, one by one: files as paths, texts as strings.

    Args:
        scratch: what is unpacked lies there.

    Raises:
        DataError: it is one item instead of several, has none, or is a table without their column.
    """
    table = _table(items, scratch)
    if table is not None:
        return _of_column(read_table(table, one_column=True)[0], facts, Files.beside(table, scratch))
    _refuse_one(items)
    reads_images = isinstance(_preparation(facts), ImagePreparation)
    if reads_images and isinstance(items, np.ndarray) and is_one_image(items):
        raise DataError(f"predict takes a list of items, got a single image of shape {items.shape}. Pass it in a list.")
    found = list(items)
    if not found:
        raise DataError("At least one item is needed, got none.")
    return found


def prepared(items: Sequence[Any], preparation: Preparation) -> Inputs:
    """Images or texts as a model's inputs; many images are mapped from a file that has no name."""
    if isinstance(preparation, TextPreparation):
        return preparation.inputs(items)
    return (decoded if len(items) > _IN_MEMORY else apply_all)(preparation, items)


def table_inputs(frame: pandas.DataFrame, facts: DataFacts, files: Files) -> Inputs:
    """The rows of a frame that has the columns of training; others are not used.

    Args:
        files: of the table that the frame was read from.

    Raises:
        DataError: a column is missing or of another type, a cell is empty, or names a file that it may not; it is
            named.
    """
    preparation = _preparation(facts)
    if preparation is None or isinstance(preparation, TablePreparation):
        return _table_inputs(frame, facts)
    return prepared(_of_column(frame, facts, files), preparation)


def image_column(frame: pandas.DataFrame) -> str:
    """The first column that holds images, where training had none: it learned from a folder.

    Raises:
        DataError: there is none.
    """
    for name in frame.columns:
        if are_images(frame[name]):
            return str(name)
    raise DataError(f"No column holds images or the names of their files; the columns are {listed(frame.columns)}.")


def _preparation(facts: DataFacts) -> Preparation | None:
    return None if facts.preparation is None else preparation_from_json(facts.preparation)


def _table(items: Any, scratch: Scratch) -> Any:
    """The table that was handed over, in memory or as its file on this machine; None for anything else.

    Raises:
        DataError: it cannot be had.
    """
    if isinstance(items, str | os.PathLike):
        name = os.fspath(items)
        path = Path(name)
        return found_table(items, scratch) if "://" in name or is_table_file(path) or is_archive(path) else None
    return items if is_table(items) else None


def _refuse_one(items: Any) -> None:
    """Raise for a single item, whose parts would be taken for items."""
    if isinstance(items, str | os.PathLike):
        raise DataError(f"predict takes a list of items, got the single {items!r}. Pass [{items!r}].")
    if isinstance(items, bytes | Image):
        raise DataError("predict takes a list of items, got a single image. Pass it in a list.")
    if not isinstance(items, Iterable) and not hasattr(items, "__getitem__"):
        raise DataError(f"predict takes a list of items, got {type(items).__name__}.")


def _of_column(frame: pandas.DataFrame, facts: DataFacts, files: Files) -> list[Any]:
    """The images or texts of the column that training had."""
    columns = facts.columns["inputs"] if facts.columns else [image_column(frame)]
    _check_columns(frame, columns)
    if facts.tokens:
        return as_texts(frame[columns[0]]).tolist()
    files.check(frame[columns[0]])
    return files.items(frame[columns[0]].tolist())


def _table_inputs(frame: pandas.DataFrame, facts: DataFacts) -> Inputs:
    preparation = _preparation(facts)
    if isinstance(preparation, TablePreparation):
        return torch.from_numpy(preparation.apply_frame(frame))
    if not facts.columns:
        raise DataError(
            "The model learned from arrays, so it takes rows of numbers and no table. Pass frame.to_numpy()."
        )
    columns = facts.columns["inputs"]
    _check_columns(frame, columns)
    _check_numbers(frame, columns)
    return _numbers(numbers_of(frame, columns), facts)


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


def _numbers(items: Any, facts: DataFacts) -> torch.Tensor:
    """Rows of numbers of the shape and in the type that training had."""
    rows = items if isinstance(items, torch.Tensor) else torch.from_numpy(_array(items))
    inputs = shaped(torch.from_numpy(slim(rows.numpy())) if rows.dtype == torch.float64 else rows, facts.input_shape)
    if tuple(inputs.shape[1:]) != tuple(facts.input_shape):
        raise DataError(
            f"Inputs need the shape (rows, {', '.join(map(str, facts.input_shape))}) as in training, "
            f"got {tuple(inputs.shape)}."
        )
    if facts.input_type == "uint8" and inputs.dtype != torch.uint8:
        return _as_pixels(inputs)
    is_whole = not inputs.is_floating_point()
    return inputs.float() if is_whole and facts.input_type == "float32" and len(facts.input_shape) != 3 else inputs


def _array(items: Any) -> np.ndarray[Any, Any]:
    try:
        rows = np.asarray(items)
    except ValueError as problem:
        raise DataError(f"Inputs need rows of one shape; numpy says: {problem}") from problem
    if rows.dtype.kind not in "biuf":
        first = items[0] if isinstance(items, Sequence) and len(items) else items
        raise DataError(f"The model learned from rows of numbers, got {type(first).__name__}, such as {first!r:.60}.")
    return slim(rows)


def _as_pixels(inputs: torch.Tensor) -> torch.Tensor:
    """Whole numbers from 0 to 255 as bytes.

    Raises:
        DataError: they are others, or floats up to 1, so that it is not clear what is white.
    """
    bytes_ = inputs.to(torch.uint8)
    is_unclear = (inputs.is_floating_point() or inputs.dtype == torch.bool) and bool(inputs.max() == 1)
    if is_unclear or not torch.equal(bytes_.to(inputs.dtype), inputs):
        raise DataError(
            f"Inputs are whole numbers from 0 to 255 as in training, got {inputs.dtype} from {float(inputs.min()):g} "
            f"to {float(inputs.max()):g}. Bring them to that range, such as (255 * x).round()."
        )
    return bytes_
