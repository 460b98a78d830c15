"""Source: what each kind of data is to AutoDataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradfleet.data import fingerprint, splits
from gradfleet.data.cache import FORMAT
from gradfleet.data.columns import Columns
from gradfleet.data.preparation import Preparation
from gradfleet.data.prepared import DataFacts, Kind, PreparedData
from gradfleet.data.problems import counted

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a source is to be split and read."""

    validation_fraction: float
    seed: int
    on_bad_rows: str
    preparation: Preparation | None
    columns: Columns = field(default_factory=Columns)
    kind: Kind | None = None

    @property
    def skips(self) -> bool:
        """Whether bad rows are left out rather than refused."""
        return self.on_bad_rows == "skip"


class Source(ABC):
    """One kind of data, already checked as far as that needs no reading of every byte.

    Attributes:
        settings: how it is split and read.
        held_out: whether validation rows are split off the training data.
        kind: of problem, by rule.
        labels: class names in class-number order, where classes have names.
        notes: what was chosen so far, a sentence each.
    """

    settings: Settings
    held_out: bool
    kind: Kind
    labels: tuple[str, ...] | None
    notes: list[str]

    @cached_property
    def fingerprint(self) -> str:
        """Of the content of every part, not of its place or its split."""
        return self._fingerprint()

    @cached_property
    def key(self) -> str:
        """Of everything that decides what the prepared folder holds."""
        preparation, settings = self.settings.preparation, self.settings
        split = [settings.validation_fraction, settings.seed] if self.held_out else None
        return fingerprint.of_json(
            [FORMAT, self.fingerprint, preparation.key if preparation else None, split, settings.on_bad_rows]
        )

    @property
    def original(self) -> PreparedData | None:
        """The parts as they were given, where they can be used without a prepared folder."""
        return None

    @abstractmethod
    def fill(self, folder: Path) -> DataFacts:
        """Write the prepared rows into an empty folder."""

    @abstractmethod
    def _fingerprint(self) -> str: ...


def split(classes: npt.NDArray[Any] | None, num_rows: int, settings: Settings) -> tuple[Rows, Rows, str]:
    """Training rows, validation rows, and the sentence that says how they were chosen: stratified if there are classes.

    Raises:
        DataError: too few rows, or a class with a single one.
    """
    fraction, seed = settings.validation_fraction, settings.seed
    if classes is None:
        train, held, how = *splits.shuffled(num_rows, fraction, seed), "drawn at random"
    else:
        train, held, how = *splits.stratified(classes, fraction, seed), "stratified by class"
    said = (
        f"No validation data was given, so {len(held):,} of {counted(num_rows, 'row')} validate and "
        f"{len(train):,} train ({how}, seed {seed})."
    )
    return train, held, said
