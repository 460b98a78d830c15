"""Source: what each kind of data is to AutoDataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradfleet.data import fingerprint, splits
from gradfleet.data.cache import FORMAT
from gradfleet.data.columns import Columns
from gradfleet.data.preparation import Preparation
from gradfleet.data.prepared import DataFacts, Kind, PreparedData, ReadAs
from gradfleet.data.problems import counted
from gradfleet.data.scratch import Scratch

_LEAST_PART = 0.05  # of the rows, that validates where a number of rows is enough
Rows = npt.NDArray[np.int64]
Form = Literal["images", "texts", "columns", "arrays", "objects"]
"""What the inputs are: of a table's columns, of rows in memory, or examples of a Dataset where they are no files."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a source is to be split and read.

    Attributes:
        validation_rows: how many are enough, of however many rows; None for the fraction alone.
        columns: of a table.
        kind: of problem, where it is told rather than found out.
        groups: of arrays, a value a training row.
        weights: of arrays, a number a training row.
        balance: whether every class is drawn as often as any other.
        fold: which of how many folds validates.
        scratch: where archives are unpacked and URLs fetched to.
    """

    validation_fraction: float
    seed: int
    on_bad_rows: str
    preparation: Preparation | None
    columns: Columns = field(default_factory=Columns)
    kind: ReadAs | None = None
    groups: npt.NDArray[Any] | None = None
    weights: npt.NDArray[Any] | None = None
    balance: bool = False
    fold: tuple[int, int] | None = None
    validation_rows: int | None = None
    scratch: Scratch = field(default_factory=Scratch, compare=False)

    @property
    def skips(self) -> bool:
        """Whether bad rows are left out rather than refused."""
        return self.on_bad_rows == "skip"

    def fraction_of(self, num_rows: int) -> float:
        """The part that validates of so many rows."""
        if self.validation_rows is None:
            return self.validation_fraction
        return min(self.validation_fraction, max(_LEAST_PART, self.validation_rows / max(num_rows, 1)))


class Source(ABC):
    """One kind of data, already checked as far as that needs no reading of every byte.

    Attributes:
        settings: how it is split and read.
        form: what its inputs are.
        held_out: whether validation rows are split off the training data.
        kind: of problem, by rule.
        labels: class names in class-number order, where classes have names.
        notes: what was chosen so far, a sentence each.
    """

    settings: Settings
    form: Form
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
        drawn_by = [settings.validation_fraction, settings.validation_rows, settings.seed, settings.fold]
        split = drawn_by if self.held_out else None
        drawn = [settings.columns.group, settings.columns.weight, settings.balance]
        given = [None if one is None else fingerprint.of_array(one) for one in (settings.groups, settings.weights)]
        prepared = preparation.key if preparation else None
        return fingerprint.of_json([FORMAT, self.fingerprint, prepared, split, settings.on_bad_rows, *drawn, *given])

    @property
    def original(self) -> PreparedData | None:
        """The parts as they were given, where they can be used without a prepared folder."""
        return None

    @abstractmethod
    def fill(self, folder: Path) -> DataFacts:
        """Write the prepared rows that train and validate into an empty folder."""

    @property
    def has_test(self) -> bool:
        """Whether there is a test part; nothing of it is read before `fill_test`."""
        return False

    def fill_test(self, folder: Path, facts: DataFacts) -> DataFacts:
        """Write the test rows, prepared as `facts` say the others were, into an empty folder.

        The notes of what it returns are of the test rows alone.
        """
        raise NotImplementedError(f"{type(self).__name__} has no test part to prepare.")

    @abstractmethod
    def _fingerprint(self) -> str: ...


def split(targets: npt.NDArray[Any], kind: Kind, settings: Settings, groups: Any = None) -> tuple[Rows, Rows, str]:
    """Training rows, validation rows, and the sentence that says how they were chosen.

    Args:
        targets: of the rows: classes by name or number are stratified, a single column of amounts in bins.
        groups: a value a row; rows with the same one stay together.

    Raises:
        DataError: too few rows or groups, or a class with a single row.
    """
    seed, num_rows = settings.seed, len(targets)
    fraction = settings.fraction_of(num_rows)
    classes = targets.reshape(-1) if kind in ("multiclass", "binary") and targets.size == num_rows else None
    amounts = targets.reshape(-1).astype(float) if kind == "regression" and targets.size == num_rows else None
    if settings.fold is not None:
        number, of = settings.fold
        bins = splits.bins_of(amounts) if amounts is not None else classes
        train, held = splits.fold(number, of, num_rows, seed, bins, groups)
        return train, held, f"Fold {number + 1} of {of}: {_told(train, held, num_rows)} (seed {seed})."
    if groups is not None:
        train, held, how = *splits.grouped(groups, fraction, seed), "whole groups"
    elif classes is not None:
        train, held, how = *splits.stratified(classes, fraction, seed), "stratified by class"
    elif amounts is not None and splits.bins_of(amounts) is not None:
        train, held, how = *splits.binned(amounts, fraction, seed), "stratified by bins of the target"
    else:
        train, held, how = *splits.shuffled(num_rows, fraction, seed), "drawn at random"
    return train, held, f"No validation data was given, so {_told(train, held, num_rows)} ({how}, seed {seed})."


def said_of_validation(both: int, held: int, noun: str) -> list[str]:
    """The sentence that `both` of the `held` examples that validate are among those that train."""
    return _said_of_both(both, f"{held:,} that validate", f"the training {noun}s", noun, "validation")


def said_of_test(both: int, held: int, noun: str) -> list[str]:
    """The sentence that `both` of the `held` examples that test are among those that anything was chosen by."""
    return _said_of_both(both, f"{held:,} that test", f"the {noun}s that train or validate", noun, "the test")


def _said_of_both(both: int, held: str, others: str, noun: str, part: str) -> list[str]:
    occur = "occurs" if both == 1 else "occur"
    said = f"{counted(both, noun)} of the {held} {occur} among {others} too, so {part} looks better than it is."
    return [said] if both else []


def _told(train: Rows, held: Rows, num_rows: int) -> str:
    return f"{len(held):,} of {counted(num_rows, 'row')} validate and {len(train):,} train"
