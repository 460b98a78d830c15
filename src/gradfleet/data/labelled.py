"""Labelled data of another origin in the form that training used: for evaluating on what was held out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gradfleet.data.arrays import read_pair
from gradfleet.data.decoding import apply_all
from gradfleet.data.encoders import LabelEncoder
from gradfleet.data.examples import ArrayExamples
from gradfleet.data.folder_scan import Ignored, scan_classes
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.prepared import DataFacts
from gradfleet.data.targets import TargetReader, unusable_rows
from gradfleet.errors import DataError


def labelled_folder(path: str | os.PathLike[str], facts: DataFacts) -> ArrayExamples:
    """A folder of class folders, with the labels and the preparation of training.

    Raises:
        DataError: class folders that training never saw, or images that cannot be read; they are named.
    """
    if facts.labels is None or facts.preparation is None:
        raise DataError("The model was not trained on class folders, so it cannot be evaluated on one. Pass (x, y).")
    files = scan_classes(Path(path), Ignored())
    targets = LabelEncoder(facts.labels).encode([file.label for file in files], str(path))
    inputs = apply_all(preparation_from_json(facts.preparation), [file.path for file in files])
    return ArrayExamples(inputs, torch.from_numpy(targets))


def labelled_arrays(inputs: Any, targets: Any, facts: DataFacts) -> ArrayExamples:
    """Arrays, tensors or lists whose inputs are as training saw them, with labels or class numbers as targets.

    Raises:
        DataError: another shape of input, NaN, or labels that training never saw.
    """
    pair = read_pair((inputs, targets), "evaluation")
    if pair.inputs.shape[1:] != tuple(facts.input_shape):
        raise DataError(
            f"The inputs need the shape {tuple(facts.input_shape)} a row as in training, got {pair.inputs.shape[1:]}."
        )
    bad = np.flatnonzero(unusable_rows(pair.inputs) | unusable_rows(pair.targets))
    if len(bad):
        raise DataError(f"Inputs and targets need finite numbers; row {bad[0]} has NaN, infinity or None.")
    read = TargetReader.of(facts).read(pair.targets, "evaluation")
    return ArrayExamples(torch.tensor(pair.inputs), torch.from_numpy(read))
