"""torch Datasets and DataLoaders as a source: used as they are, sent to workers by value."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

from gradfleet.data import fingerprint
from gradfleet.data.dataset_targets import first_example, known_classes, read_all_targets
from gradfleet.data.pickling import by_value
from gradfleet.data.prepared import LEARNED, OBJECTS, DataFacts, Part, PreparedData
from gradfleet.data.problems import listed
from gradfleet.data.source import Settings, Source, split
from gradfleet.data.targets import TargetReader
from gradfleet.errors import DataError


class ObjectSource(Source):
    """A Dataset or DataLoader a part. Targets are never changed, so classes have to be numbers from 0."""

    form = "objects"

    def __init__(self, train: Any, parts: Mapping[str, Any], settings: Settings) -> None:
        self.settings, self.notes = settings, []
        checked = {part: _checked(given, part) for part, given in {"train": train, **parts}.items()}
        self._hidden = checked.pop("test", None)
        self._parts = checked
        if settings.preparation is not None:
            raise DataError("preparation= is for raw files; a Dataset prepares its own examples. Leave it out.")
        if settings.weights is not None or settings.balance:
            raise DataError("A Dataset is drawn as its own sampler says: weigh rows with a WeightedRandomSampler.")
        targets, num_read = read_all_targets(_dataset(self._parts["train"]))
        self._reader = TargetReader.fit(targets, settings.kind)
        self.kind, self.labels = self._reader.kind, None
        self._num_outputs = self._reader.num_outputs
        if self.kind == "multiclass":
            self._number_classes(targets)
        self.notes.append(self._reader.note(targets))
        if num_read:
            self.notes.append(f"The targets were found by reading each of the {num_read:,} training examples once.")
        self.held_out = "validation" not in self._parts
        if self.held_out:
            self._split(targets)

    def _number_classes(self, targets: Any) -> None:
        values = targets.reshape(-1)
        if values.dtype.kind not in "biu" or values.min() < 0:
            raise DataError(f"A Dataset's classes need to be numbers from 0, got {listed(np.unique(values).tolist())}.")
        self.labels = known_classes(_dataset(self._parts["train"]))
        self._num_outputs = max(int(values.max()) + 1, len(self.labels or ()))
        if self.labels and len(self.labels) < self._num_outputs:
            self.labels = None
        self._reader = TargetReader("multiclass", self._num_outputs)

    def _split(self, targets: Any) -> None:
        train = self._parts["train"]
        if isinstance(train, DataLoader | IterableDataset):
            raise DataError(
                f"A {type(train).__name__} cannot be split, so pass validation= as well, a DataLoader or a Dataset: "
                "AutoDataset(..., validation=...)."
            )
        rows, held, said = split(targets, self.kind, self.settings, self.settings.groups)
        self._parts["train"], self._parts["validation"] = Subset(train, rows.tolist()), Subset(train, held.tolist())
        self.notes.append(said)

    def _fingerprint(self) -> str:
        # What is hidden for the final test stays unread.
        return fingerprint.of_json(
            [self.kind, {part: fingerprint.of_dataset(data) for part, data in self._parts.items()}]
        )

    @cached_property
    def _facts(self) -> DataFacts:
        shape = getattr(first_example(_dataset(self._parts["train"]))[0], "shape", ())
        num_rows = {part: _length(self._parts[part]) for part in LEARNED}
        if self._hidden is not None:
            num_rows["test"] = _length(self._hidden)
        return DataFacts(
            self.kind, tuple(shape), self._num_outputs, self.labels, num_rows=num_rows, notes=tuple(self.notes)
        )

    @cached_property
    def _bytes(self) -> bytes:
        # One pickle, so that parts of one dataset share it on the other side too.
        return by_value(self._parts, "data")

    @cached_property
    def key(self) -> str:
        """Of the bytes: the fingerprint is a sample only, and code may change where no example shows it."""
        return fingerprint.of_json([self.fingerprint, fingerprint.of_bytes(self._bytes)])

    @property
    def original(self) -> PreparedData:
        parts, hidden = self._parts, self._hidden
        given = None if hidden is None else partial(_itself, hidden)
        return PreparedData(self._facts, self.fingerprint, parts["train"], parts["validation"], given)

    def fill(self, folder: Path) -> DataFacts:
        (folder / OBJECTS).write_bytes(self._bytes)
        return self._facts


def _itself(part: Part) -> Part:
    return part


def _checked(given: Any, part: str) -> Dataset[Any] | DataLoader[Any]:
    if not isinstance(given, Dataset | DataLoader):
        raise DataError(
            f"The {part} data needs to be a folder's path, a pair (inputs, targets) of arrays or texts, a table (a "
            "file, a frame, a dict of columns, a list of dicts), a torch Dataset or a DataLoader, got "
            f"{type(given).__name__}."
        )
    if _length(given) == 0:
        raise DataError(f"The {part} data needs at least one example, got an empty {type(given).__name__}.")
    return given


def _dataset(data: Dataset[Any] | DataLoader[Any]) -> Dataset[Any]:
    return data.dataset if isinstance(data, DataLoader) else data


def _length(data: Dataset[Any] | DataLoader[Any]) -> int:
    dataset = _dataset(data)
    return len(dataset) if hasattr(dataset, "__len__") else -1
