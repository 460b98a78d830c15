"""Arrays, tensors and lists as a source: `(inputs, targets)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gradfleet.data import fingerprint
from gradfleet.data.prepared import LEARNED, WEIGHTS, DataFacts
from gradfleet.data.problems import counted, numbered
from gradfleet.data.rows import save_rows, slim, statistics
from gradfleet.data.source import Rows, Settings, Source, split
from gradfleet.data.targets import TargetReader, as_array, told, unusable_rows
from gradfleet.data.weights import row_weights
from gradfleet.errors import DataError

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """Inputs and targets of one part, as numpy arrays with as many rows as each other."""

    inputs: Array
    targets: Array

    def take(self, rows: npt.NDArray[np.bool_]) -> Pair:
        return Pair(self.inputs[rows], self.targets[rows])


class ArraySource(Source):
    """Rows that are in memory already. float64 inputs become float32, uint8 stays, other integers become int64."""

    form = "arrays"

    def __init__(self, train: tuple[Any, Any], parts: Mapping[str, Any], settings: Settings) -> None:
        if settings.preparation is not None:
            raise DataError("preparation= is for raw files; arrays are taken as they are. Leave it out.")
        self.settings, self.notes = settings, []
        self._hidden = self._pair_of(parts["test"], "test") if "test" in parts else None
        pairs = {"train": self._checked(train, "train")}
        if "validation" in parts:
            pairs["validation"] = self._checked(self._pair_of(parts["validation"], "validation"), "validation")
        raw = told(pairs["train"].targets, settings.kind)
        self._reader = TargetReader.fit(raw, settings.kind)
        self.notes.append(self._reader.note(raw))
        self.kind, self.labels = self._reader.kind, self._reader.labels
        self.held_out = "validation" not in pairs
        self._pairs = {part: self._read(pair, part) for part, pair in pairs.items()}
        self._check_shapes(self._pairs)
        self._order = self._split(raw)

    def _read(self, pair: Pair, part: str) -> Pair:
        return Pair(pair.inputs, self._reader.read(told(pair.targets, self.settings.kind), part, numbered=True))

    @staticmethod
    def pair(given: Any) -> tuple[Any, Any] | None:
        """Inputs and targets when `given` is such a pair; None when it is something else."""
        if isinstance(given, TensorDataset) and len(given.tensors) == 2:
            return given.tensors
        if isinstance(given, tuple) and len(given) == 2 and not isinstance(given[0], Dataset | DataLoader):
            return given
        return None

    def _pair_of(self, given: Any, part: str) -> tuple[Any, Any]:
        pair = self.pair(given)
        if pair is None:
            raise DataError(
                f"The training data is arrays, so {part}= needs a pair (inputs, targets), got {type(given).__name__}."
            )
        return pair

    def _checked(self, given: tuple[Any, Any], part: str) -> Pair:
        pair = read_pair(given, part)
        bad = unusable_rows(pair.inputs) | unusable_rows(pair.targets)
        if part == "train":
            self._usable = ~bad
        if not bad.any():
            return pair
        rows = np.flatnonzero(bad)
        named = numbered(rows.tolist())
        if self.settings.on_bad_rows == "raise":
            raise DataError(
                f"Inputs and targets need finite numbers; the {part} data has NaN, infinity or None in "
                f'{counted(len(rows), "row")}: {named}. Pass on_bad_rows="skip" to leave them out.'
            )
        if bad.all():
            raise DataError(f"Every row of the {part} data has NaN, infinity or None; no row is left.")
        said = f"Left out {counted(len(rows), 'row')} of the {part} data with NaN, infinity or None: {named}."
        self.notes.append(said)
        return pair.take(~bad)

    def _check_shapes(self, pairs: Mapping[str, Pair]) -> None:
        inputs = self._pairs["train"].inputs
        for part, pair in pairs.items():
            if pair.inputs.shape[1:] != inputs.shape[1:] or pair.inputs.dtype != inputs.dtype:
                raise DataError(
                    f"The {part} inputs need the shape and type of the training inputs, {inputs.shape[1:]} "
                    f"{inputs.dtype} a row, got {pair.inputs.shape[1:]} {pair.inputs.dtype}."
                )

    def _split(self, raw: Array) -> dict[str, Rows]:
        """The rows of each part within its pair: a made split takes both parts from the training pair."""
        order = {part: np.arange(len(pair.inputs)) for part, pair in self._pairs.items()}
        if self.held_out:
            # By the targets as they were given, so that a class with one row is called by its name.
            groups = self._kept(self.settings.groups, "group")
            order["train"], order["validation"], said = split(raw, self.kind, self.settings, groups)
            self.notes.append(said)
        return order

    def _kept(self, values: Array | None, name: str) -> Array | None:
        """What was given a training row, of those rows that are used."""
        if values is None:
            return None
        if len(values) != len(self._usable):
            raise DataError(
                f"{name}= needs a value for each of the {len(self._usable):,} training rows, got {len(values):,}."
            )
        return values[self._usable]

    def _fingerprint(self) -> str:
        return fingerprint.of_json(
            [
                self.kind,
                self.labels if self._reader.label_type != "float" else ("of a scale", *(self.labels or ())),
                {
                    part: [fingerprint.of_array(pair.inputs), fingerprint.of_array(pair.targets)]
                    for part, pair in self._pairs.items()
                },
            ]
        )

    def fill(self, folder: Path) -> DataFacts:
        pair, rows = self._joined()
        save_rows(folder, pair.inputs, pair.targets, rows)
        num_train = len(self._order["train"])
        num_rows = {part: len(self._order[part]) for part in LEARNED}
        if self._hidden is not None:
            num_rows["test"] = len(self._hidden[0])
        facts = DataFacts(
            self.kind,
            pair.inputs.shape[1:],
            self._reader.num_outputs,
            self.labels,
            num_rows=num_rows,
            notes=tuple(self.notes),
            label_type=self._reader.label_type,
            input_type=str(pair.inputs.dtype),
        )
        train = rows[:num_train]
        self._save_weights(folder, pair.targets[train])
        return replace(facts, statistics=statistics(pair.inputs[train], pair.targets[train], facts))

    def _save_weights(self, folder: Path, targets: Array) -> None:
        given = self._kept(self.settings.weights, "weight")
        chosen = None if given is None else given[self._order["train"]]
        weights = row_weights(chosen, targets, self.kind, balance=self.settings.balance)
        if weights is not None:
            np.save(folder / WEIGHTS, weights)

    @property
    def has_test(self) -> bool:
        return self._hidden is not None

    def fill_test(self, folder: Path, facts: DataFacts) -> DataFacts:
        assert self._hidden is not None
        pair = self._read(self._checked(self._hidden, "test"), "test")
        self._check_shapes({"test": pair})
        save_rows(folder, pair.inputs, pair.targets, np.arange(len(pair.inputs)))
        return replace(facts, num_rows={"test": len(pair.inputs)})

    def _joined(self) -> tuple[Pair, Rows]:
        """One pair with the rows of every part, and the order in which they are written."""
        starts, start = {}, 0
        for part, pair in self._pairs.items():
            starts[part], start = start, start + len(pair.inputs)
        # A validation part that was split off lies in the training pair, which comes first.
        rows = [self._order[part] + starts.get(part, 0) for part in LEARNED]
        if len(self._pairs) == 1:
            return self._pairs["train"], np.concatenate(rows)
        inputs = np.concatenate([pair.inputs for pair in self._pairs.values()])
        targets = np.concatenate([pair.targets for pair in self._pairs.values()])
        return Pair(inputs, targets), np.concatenate(rows)


def read_pair(given: tuple[Any, Any], part: str) -> Pair:
    """Inputs and targets as arrays.

    Raises:
        DataError: no rows, other lengths, or inputs that are not numbers.
    """
    inputs, targets = as_array(given[0], f"{part} inputs"), as_array(given[1], f"{part} targets")
    if inputs.ndim < 2 or targets.ndim < 1:
        raise DataError(
            f"The {part} inputs need at least two axes (rows, features) and the targets one; got shapes "
            f"{inputs.shape} and {targets.shape}. For a single feature pass x.reshape(-1, 1)."
        )
    if len(inputs) != len(targets) or len(inputs) == 0:
        raise DataError(
            f"The {part} data needs a target for each row and at least one row, got {counted(len(inputs), 'row')} of "
            f"inputs and {counted(len(targets), 'target')}."
        )
    if inputs.dtype.kind not in "biuf":
        raise DataError(f"The {part} inputs need numbers, got {inputs.dtype}. Encode text and categories first.")
    return Pair(slim(inputs), targets)
