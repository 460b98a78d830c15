"""Labelled data of another origin in the form that training used: for evaluating on what was held out."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch

from gradfleet.data.arrays import read_pair
from gradfleet.data.channels import shaped
from gradfleet.data.column_targets import ColumnTargets, bad_targets
from gradfleet.data.columns import Columns
from gradfleet.data.encoders import LabelEncoder
from gradfleet.data.examples import ArrayExamples, Inputs
from gradfleet.data.files_of_tables import Files
from gradfleet.data.folder_scan import Ignored, refuse_parts, scan_classes
from gradfleet.data.found_tables import as_tables, found_table
from gradfleet.data.items import image_column, inputs_of, prepared, raw_items, table_inputs
from gradfleet.data.language import TextInputs, TextPreparation
from gradfleet.data.places import located
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.prepared import DataFacts
from gradfleet.data.problems import listed
from gradfleet.data.scratch import Scratch
from gradfleet.data.tables import is_table, read_table
from gradfleet.data.tabular import TablePreparation
from gradfleet.data.targets import TargetReader, unusable_rows
from gradfleet.errors import DataError

_PART = "evaluation"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows with their targets.

    Attributes:
        examples: as training had them.
        names: what each row is called, the file of an image or a text; None where rows have numbers alone.
    """

    examples: Any
    names: list[Any] | None = None


def labelled(data: Any, facts: DataFacts) -> Labelled:
    """What a model is measured on, in the terms of its training data.

    Args:
        data: a folder of class folders, an archive or a URL of one; a table or its file; a pair (inputs, targets); or
            a prepared part, which stays as it is.

    Raises:
        DataError: a label that training never saw, or rows that cannot be read; they are named.
    """
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data, ArrayExamples):
        return _of_pair(*data, facts)
    if not isinstance(data, str | os.PathLike) and not is_table(data):
        return Labelled(data)
    scratch = Scratch()  # holds what is unpacked until it is read
    with scratch.naming():
        return _of_place(data, facts, scratch)


def _of_place(data: Any, facts: DataFacts, scratch: Scratch) -> Labelled:
    there = located(data, scratch)
    if facts.columns or as_tables(there) is not None:
        table = found_table(there, scratch)
        return _of_table(read_table(table)[0], facts, Files.beside(table, scratch))
    return _of_folder(Path(there), facts, str(data), named_below=scratch.around(Path(there)) is not None)


def _of_folder(folder: Path, facts: DataFacts, called: str, *, named_below: bool) -> Labelled:
    """A folder of class folders.

    Args:
        called: what it is called in an error.
        named_below: whether files are named from the folder on, because it is only here for a while.
    """
    if facts.labels is None or facts.preparation is None:
        raise DataError("The model was not trained on class folders, so it cannot be evaluated on one. Pass (x, y).")
    refuse_parts(folder, facts.labels)
    files = scan_classes(folder, Ignored())
    targets = LabelEncoder(facts.labels).encode([file.label for file in files], called)
    inputs = prepared([file.path for file in files], preparation_from_json(facts.preparation))
    names = [file.name if named_below else str(file.path) for file in files]
    return Labelled(_joined(inputs, targets, facts), names)


def _of_table(frame: pandas.DataFrame, facts: DataFacts, files: Files) -> Labelled:
    """A table with the columns that training had; one of images where training had a folder of them."""
    facts = facts if facts.columns else replace(facts, columns=_columns_of_images(frame, facts))
    targets = ColumnTargets.of(facts)
    absent = [name for name in targets.columns if name not in frame.columns]
    if absent:
        raise DataError(f"To evaluate, the column {absent[0]!r} is needed; the columns are {listed(frame.columns)}.")
    inputs = table_inputs(frame, facts, files)
    bad = bad_targets(frame, targets.columns)
    if bad.any() and targets.form != "labels":
        raise DataError(f"There is no target in row {int(bad.argmax())} (the first row is 0).")
    names = frame[facts.columns["inputs"][0]].tolist() if len(facts.columns["inputs"]) == 1 else None
    return Labelled(_joined(inputs, targets.read(frame, _PART), facts), names)


def _columns_of_images(frame: pandas.DataFrame, facts: DataFacts) -> dict[str, list[str]]:
    if facts.preparation is None:
        raise DataError("The model learned from arrays, so it is measured on a pair (inputs, targets) and no table.")
    settled, _ = Columns(inputs=(image_column(frame),)).settle(frame, None, wants_text=False)
    return {"inputs": list(settled.inputs), "target": list(settled.target)}


def _of_pair(inputs: Any, targets: Any, facts: DataFacts) -> Labelled:
    """Inputs as `predict` takes them, with labels or class numbers."""
    if facts.preparation is None or isinstance(preparation_from_json(facts.preparation), TablePreparation):
        return Labelled(_of_arrays(inputs, targets, facts))
    known, names = _named(inputs, facts)
    if facts.kind == "text":
        return Labelled(_joined(known, np.asarray(list(targets), object), facts), names)
    reader = TargetReader.of(facts)
    read = reader.read(reader.as_given(targets, _PART), _PART, numbered=True)
    _check_rows(len(known), len(read))
    return Labelled(_joined(known, read, facts), names)


def _named(inputs: Any, facts: DataFacts) -> tuple[Inputs, list[Any] | None]:
    """Inputs as the model takes them, and what each is called."""
    if isinstance(inputs, torch.Tensor | TextInputs):
        return inputs_of(inputs, facts), list(inputs.texts) if isinstance(inputs, TextInputs) else None
    scratch = Scratch()
    with scratch.naming():
        items = raw_items(inputs, facts, scratch)
        known = prepared(items, preparation_from_json(facts.preparation or {}))
    if all(isinstance(one, str | os.PathLike) for one in items):
        return known, [scratch.told(str(one)) for one in items]
    return known, None


def _of_arrays(inputs: Any, targets: Any, facts: DataFacts) -> ArrayExamples:
    reader = TargetReader.of(facts)
    pair = read_pair((inputs, reader.as_given(targets, _PART)), _PART)
    known = shaped(torch.tensor(pair.inputs), facts.input_shape)
    if known.shape[1:] != tuple(facts.input_shape):
        raise DataError(
            f"The inputs need the shape {tuple(facts.input_shape)} a row as in training, got {pair.inputs.shape[1:]}."
        )
    bad = np.flatnonzero(unusable_rows(pair.inputs) | unusable_rows(pair.targets))
    if len(bad):
        raise DataError(f"Inputs and targets need finite numbers; row {bad[0]} has NaN, infinity or None.")
    read = reader.read(pair.targets, _PART, numbered=True)
    return ArrayExamples(inputs_of(known, facts), torch.from_numpy(read))


def _joined(inputs: Inputs, targets: Any, facts: DataFacts) -> ArrayExamples:
    _check_rows(len(inputs), len(targets))
    if facts.kind != "text":
        return ArrayExamples(inputs, torch.from_numpy(targets))
    preparation = preparation_from_json(facts.preparation or {})
    assert isinstance(preparation, TextPreparation), "only it makes texts of targets"
    return ArrayExamples(inputs, preparation.targets(targets.tolist()))


def _check_rows(num_inputs: int, num_targets: int) -> None:
    if num_inputs != num_targets:
        raise DataError(f"Each row needs a target, got {num_inputs:,} rows and {num_targets:,} targets.")
