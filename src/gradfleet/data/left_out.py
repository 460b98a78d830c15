"""Rows that a look at every byte finds unreadable: left out of the parts that they are in, which stay what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradfleet.data.prepared import INPUTS
from gradfleet.data.problems import LIMIT, counted, listed, shortened
from gradfleet.data.rows import keep_rows
from gradfleet.errors import DataError

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is wrong with which rows of several parts, whose rows lie one after the other.

    Attributes:
        problems: by row.
        lengths: of the parts, all rows counted.
        noun: what a row is called.
    """

    problems: Mapping[int, str]
    lengths: Mapping[str, int]
    noun: str

    def allow(self, *, skips: bool) -> list[str]:
        """The note of what is left out.

        Raises:
            DataError: there is something, and nothing was to be left out.
        """
        told = list(self.problems.values())
        if not told:
            return []
        if not skips:
            advice = 'Repair or remove them, or pass on_bad_rows="skip" to leave them out.'
            raise DataError(shortened(told, f"{self.noun}s cannot be used", advice))
        more = f" And {len(told) - LIMIT:,} more." if len(told) > LIMIT else ""
        return [f"Left out {counted(len(told), self.noun)}: {' '.join(told[:LIMIT])}{more}"]

    @property
    def kept(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Which rows of each part remain."""
        whole = np.ones(sum(self.lengths.values()), bool)
        whole[list(self.problems)] = False
        ends = np.cumsum(list(self.lengths.values()))[:-1]
        return dict(zip(self.lengths, np.split(whole, ends), strict=True))

    def drop(self, folder: Path) -> None:
        """Leave only the rows that remain in the inputs of a prepared folder."""
        if self.problems:
            keep_rows(folder / INPUTS, np.concatenate(list(self.kept.values())))

    def check(self, classes: Mapping[str, Array], names: Sequence[str]) -> list[str]:
        """Make sure that every part still has rows and every class or label one that trains; those validation has lost.

        Args:
            classes: of all rows of each part: class numbers (rows,), or 1 for each label that a row has and 0 for the
                others (rows, labels); empty where rows have neither.

        Raises:
            DataError: they have not.
        """
        parts = [part for part, kept in self.kept.items() if not kept.any()]
        problems = [f"The {part} data has no {self.noun} that can be read. Add some." for part in parts]
        gone = {part: self._gone(part, numbers, names) for part, numbers in classes.items() if part not in parts}
        if lost := gone.pop("train", []):
            where = "in the classes" if classes["train"].ndim == 1 else "that has one of the labels"
            problems.append(f"No training {self.noun} can be read {where} {listed(lost)}. Add some.")
        if problems:
            raise DataError(problems)
        return [f"The {part} data has no {self.noun} of {listed(lost)} left." for part, lost in gone.items() if lost]

    def _gone(self, part: str, numbers: Array, names: Sequence[str]) -> list[str]:
        lost = _present(numbers) - _present(numbers[self.kept[part]])
        return [names[number] for number in sorted(lost)]


def _present(numbers: Array) -> set[int]:
    """The classes, or labels, that some row has."""
    return set((numbers if numbers.ndim == 1 else np.flatnonzero(numbers.any(axis=0))).tolist())
