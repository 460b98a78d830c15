"""Data that is ready to train on: its facts, its parts, and the reference that crosses to a worker."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cloudpickle
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from gradfleet.data.cache import read_manifest
from gradfleet.data.examples import ArrayExamples
from gradfleet.data.stored_texts import open_texts
from gradfleet.errors import DataError, ExecutionError

Kind = Literal["binary", "multiclass", "multilabel", "regression", "text"]
ReadAs = Kind | Literal["ordinal"]
"""What targets may be read as: numbers of a scale, such as half stars, are classes too."""
Part: TypeAlias = "ArrayExamples | Dataset[Any] | DataLoader[Any]"

LEARNED = ("train", "validation")
PARTS = (*LEARNED, "test")
INPUTS, TARGETS, WEIGHTS, OBJECTS = "inputs.npy", "targets.npy", "weights.npy", "objects.pkl"
_KEEP_OPEN = 8
_LABEL_TYPES: Mapping[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float, "bool": "True".__eq__}


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What a recipe may know about the data without reading it.

    Attributes:
        kind: "binary" is one output against 0/1 floats; two classes by name or integer are "multiclass"; "text" is a
            text that is to be written.
        input_shape: of one example, without the row axis; an image is (channels, height, width), a text the largest
            number of its tokens.
        num_outputs: classes for "multiclass", tokens for "text", else columns of the target.
        labels: names in the order of class numbers or of the target's columns; None when the targets were numbers
            already.
        preparation: JSON of the fitted Preparation (see `preparation_from_json`); None when inputs come as they are.
        label_type: what the labels are in the data: "str", "int", "float" or "bool"; predictions come back as such.
        label_scores: of ordered classes a number each, such as how good a sentiment is; empty for others.
        input_type: of inputs that came as an array, "uint8", "int64" or "float32"; empty for others.
        num_rows: rows of each part; -1 for a part that does not know its length.
        statistics: of the training rows only, in the units of the stored inputs (0-255 for images): "mean" and "std"
            with a value a channel or feature (a constant one has std 1), and "class_counts" for "multiclass".
            Empty for torch Datasets and DataLoaders.
        notes: what was chosen for the user, a sentence each.
        columns: of a table: the names of its "inputs" and of its "target".
        tokens: of texts: by view, what builders need of a tokenizer (see `TextPreparation.facts`).
    """

    kind: Kind
    input_shape: tuple[int, ...]
    num_outputs: int
    labels: tuple[str, ...] | None = None
    preparation: Mapping[str, Any] | None = None
    num_rows: Mapping[str, int] = field(default_factory=dict)
    statistics: Mapping[str, list[float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    columns: Mapping[str, list[str]] = field(default_factory=dict)
    tokens: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    label_type: str = "str"
    label_scores: tuple[float, ...] = ()
    input_type: str = ""

    def label(self, number: int) -> Any:
        """The label of a class or column number, as it is in the data."""
        if self.labels is None:
            return number
        return _LABEL_TYPES[self.label_type](self.labels[number])

    def mean_score(self, probabilities: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The mean of `label_scores`, each as much as its class is likely: (rows, classes) to (rows,).

        Raises:
            DataError: the classes have no scores.
        """
        if not self.label_scores:
            raise DataError("The classes of this data have no scores; AutoDataset.scored gives them some.")
        mean: np.ndarray[Any, Any] = probabilities @ np.array(self.label_scores)
        return mean

    @property
    def vocabulary_size(self) -> int:
        """Tokens that the first tokenizer knows.

        Raises:
            DataError: the data is no text; so for `max_length` and `padding_token`.
        """
        return self._of_tokens("vocabulary_size")

    @property
    def max_length(self) -> int:
        """Tokens of the longest text."""
        return self._of_tokens("max_length")

    @property
    def padding_token(self) -> int:
        """The token that fills up shorter texts."""
        return self._of_tokens("padding_token")

    def seen_as(self, view: str) -> DataFacts:
        """The facts for a network that reads the tokens of this view: it comes first."""
        first = {view: self.tokens[view]}
        num_outputs = first[view]["vocabulary_size"] if self.kind == "text" else self.num_outputs
        return replace(self, tokens=first | dict(self.tokens), num_outputs=num_outputs)

    def _of_tokens(self, name: str) -> int:
        if not self.tokens:
            raise DataError(f"An architecture asks for {name}, which only texts have.")
        return next(iter(self.tokens.values()))[name]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives an equal object back."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> DataFacts:
        names = ("input_shape", "labels", "notes", "label_scores")
        tuples = {name: tuple(facts[name]) for name in names if facts.get(name) is not None}
        values: dict[str, Any] = {**facts, **tuples}
        return cls(**values)


@dataclass(frozen=True)
class PreparedData:
    """The parts of the data, open for reading.

    Attributes:
        fingerprint: of the content that the parts were made from.
        hidden: reads the test part, where the data has one that this process may read.
    """

    facts: DataFacts
    fingerprint: str
    train: Part
    validation: Part
    hidden: Callable[[], Part] | None = None

    @cached_property
    def test(self) -> Part | None:
        """The test part, read when it is asked for; workers have none."""
        return None if self.hidden is None else self.hidden()


@dataclass(frozen=True, slots=True)
class DataRef:
    """Where prepared data lies. This crosses to a worker; the rows never do.

    Attributes:
        fingerprint: of the content that was prepared.
        place: absolute path of the prepared folder.
    """

    fingerprint: str
    place: str

    def open(self) -> PreparedData:
        """The prepared data, opened once a process and kept open.

        Arrays are mapped into memory copy-on-write: trials share the pages, and nobody can change the file.

        Raises:
            ExecutionError: the folder is missing or damaged, or holds other data.
        """
        with _LOCK:
            data = _OPEN.get(self.place) or read_prepared(Path(self.place))
        if data.fingerprint != self.fingerprint:
            raise ExecutionError(f"{self.place} was prepared from other data. Call AutoDataset.prepare again.")
        return remember(self.place, data)


# Mapped arrays and the original objects of this process, by place: workers live through many trials.
_OPEN: OrderedDict[str, PreparedData] = OrderedDict()
_LOCK = threading.Lock()


def remember(place: str, data: PreparedData) -> PreparedData:
    """Keep `data` as what `place` opens to in this process; the longest unused is let go."""
    with _LOCK:
        _OPEN[place] = data
        _OPEN.move_to_end(place)
        while len(_OPEN) > _KEEP_OPEN:
            _OPEN.popitem(last=False)
    return data


def read_prepared(place: Path) -> PreparedData:
    """Open a prepared folder.

    Raises:
        ExecutionError: it is missing or damaged.
    """
    manifest = read_manifest(place)
    if manifest is None:
        raise ExecutionError(
            f"There is no intact prepared data at {place}. Call AutoDataset.prepare again, with a folder that every "
            "worker can read."
        )
    facts = DataFacts.from_json(manifest["facts"])
    if (place / OBJECTS).exists():
        parts = cloudpickle.loads((place / OBJECTS).read_bytes())
    else:
        parts = _mapped_parts(place, facts)
    return PreparedData(facts, manifest["fingerprint"], parts["train"], parts["validation"])


def read_test(place: Path) -> ArrayExamples:
    """The test part, from a folder that holds nothing else."""
    manifest = read_manifest(place)
    assert manifest is not None, "it was written a moment ago"
    return ArrayExamples(*_mapped(place, DataFacts.from_json(manifest["facts"])))


def _mapped_parts(place: Path, facts: DataFacts) -> dict[str, ArrayExamples]:
    """The parts lie one after the other in the same files."""
    inputs, targets = _mapped(place, facts)
    weights = torch.from_numpy(np.load(place / WEIGHTS)) if (place / WEIGHTS).exists() else None
    parts, start = {}, 0
    for part in LEARNED:
        end = start + facts.num_rows[part]
        drawn = weights if part == "train" else None
        parts[part] = ArrayExamples(_rows(inputs, start, end), _rows(targets, start, end), drawn)
        start = end
    return parts


def _mapped(place: Path, facts: DataFacts) -> tuple[Any, Any]:
    preparation = facts.preparation or {}
    return (
        open_texts(place, preparation, "inputs") if facts.tokens else _mapped_array(place / INPUTS),
        open_texts(place, preparation, "targets") if facts.kind == "text" else _mapped_array(place / TARGETS),
    )


def _mapped_array(path: Path) -> torch.Tensor:
    # Copy-on-write: torch would write through a read-only map and die of it.
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def _rows(column: Any, start: int, end: int) -> Any:
    return column[start:end] if isinstance(column, torch.Tensor) else column.part(start, end)
