"""Labelled data of another origin in the form that training used: for evaluating on what was held out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gradfleet.data.arrays import read_pair
from gradfleet.data.channels import shaped
from gradfleet.data.column_targets import ColumnTargets, bad_targets
from gradfleet.data.decoding import decoded
from gradfleet.data.encoders import LabelEncoder
from gradfleet.data.examples import ArrayExamples, Inputs
from gradfleet.data.folder_scan import Ignored, scan_classes
from gradfleet.data.found_tables import found_table, one_table
from gradfleet.data.items import folder_of, inputs_of, table_inputs
from gradfleet.data.language import TextPreparation
from gradfleet.data.places import located
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.prepared import DataFacts
from gradfleet.data.problems import listed
from gradfleet.data.scratch import Scratch
from gradfleet.data.tables import is_table, read_table
from gradfleet.data.targets import TargetReader, as_array, unusable_rows
from gradfleet.errors import DataError


def labelled_folder(path: str | os.PathLike[str], facts: DataFacts) -> ArrayExamples:
    """A folder of class folders, with the labels and the preparation of training.

    Raises:
        DataError: class folders that training never saw, or images that cannot be read; they are named.
    """
    if facts.labels is None or facts.preparation is None:
        raise DataError("The model was not trained on class folders, so it cannot be evaluated on one. Pass (x, y).")
    scratch = Scratch()  # holds what is unpacked until it is decoded
    files = scan_classes(Path(located(path, scratch)), Ignored())
    targets = LabelEncoder(facts.labels).encode([file.label for file in files], str(path))
    inputs = decoded(preparation_from_json(facts.preparation), [file.path for file in files])
    return ArrayExamples(inputs, torch.from_numpy(targets))


def called(data: Any, facts: DataFacts) -> list[Any] | None:
    """What each row of labelled data is called: the file of an image, or the text; None where rows have numbers."""
    if facts.columns and len(facts.columns["inputs"]) == 1 and (is_table(data) or isinstance(data, str | os.PathLike)):
        names: list[Any] = one_table(data, Scratch())[0][facts.columns["inputs"][0]].tolist()
        return names
    if isinstance(data, str | os.PathLike) and not facts.columns:
        scratch = Scratch()
        return [str(file.path) for file in scan_classes(Path(located(data, scratch)), Ignored())]
    if isinstance(data, tuple) and facts.tokens:
        return list(data[0])
    return None


def labelled_table(given: Any, facts: DataFacts) -> ArrayExamples:
    """A table with the columns that training had, inputs and target.

    Raises:
        DataError: a column is missing, a cell is empty, or a label is one that training never saw.
    """
    scratch = Scratch()  # holds what is unpacked until it is read
    table = found_table(given, scratch)
    frame, _ = read_table(table)
    targets = ColumnTargets.of(facts)
    absent = [name for name in targets.columns if name not in frame.columns]
    if absent:
        raise DataError(f"To evaluate, the column {absent[0]!r} is needed; the columns are {listed(frame.columns)}.")
    inputs = table_inputs(frame, facts, folder_of(table))
    bad = bad_targets(frame, targets.columns)
    if bad.any() and targets.form != "labels":
        raise DataError(f"There is no target in row {int(bad.argmax())} (the first row is 0).")
    return _joined(inputs, targets.read(frame, "evaluation"), facts)


def _joined(inputs: Inputs, targets: Any, facts: DataFacts) -> ArrayExamples:
    if facts.kind != "text":
        return ArrayExamples(inputs, torch.from_numpy(targets))
    preparation = preparation_from_json(facts.preparation or {})
    assert isinstance(preparation, TextPreparation), "only it makes texts of targets"
    return ArrayExamples(inputs, preparation.targets(targets.tolist()))


def labelled_arrays(inputs: Any, targets: Any, facts: DataFacts) -> ArrayExamples:
    """Arrays, tensors or lists whose inputs are as training saw them, with labels or class numbers as targets.

    Raises:
        DataError: another shape of input, NaN, or labels that training never saw.
    """
    if facts.tokens:
        return _labelled_texts(inputs, targets, facts)
    pair = read_pair((inputs, targets), "evaluation")
    inputs = shaped(torch.tensor(pair.inputs), facts.input_shape)
    if inputs.shape[1:] != tuple(facts.input_shape):
        raise DataError(
            f"The inputs need the shape {tuple(facts.input_shape)} a row as in training, got {pair.inputs.shape[1:]}."
        )
    bad = np.flatnonzero(unusable_rows(pair.inputs) | unusable_rows(pair.targets))
    if len(bad):
        raise DataError(f"Inputs and targets need finite numbers; row {bad[0]} has NaN, infinity or None.")
    read = TargetReader.of(facts).read(pair.targets, "evaluation")
    return ArrayExamples(inputs, torch.from_numpy(read))


def _labelled_texts(texts: Any, targets: Any, facts: DataFacts) -> ArrayExamples:
    known = inputs_of(texts, facts)
    if facts.kind == "text":
        return _joined(known, np.asarray(list(targets), object), facts)
    return _joined(known, TargetReader.of(facts).read(as_array(targets, "evaluation targets"), "evaluation"), facts)
