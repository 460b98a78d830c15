"""Class labels as numbers and back: fitted on training rows only, written as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gradfleet.data.problems import listed
from gradfleet.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelEncoder:
    """Labels in class-number order; a label that training never saw is an error, never a number.

    Example:
        >>> encoder = LabelEncoder.fit(["rose", "tulip", "rose"])
        >>> encoder.encode(["tulip"], "validation"), encoder.decode([0])
        (array([1]), ['rose'])
    """

    labels: tuple[str, ...]

    @classmethod
    def fit(cls, labels: Iterable[str]) -> LabelEncoder:
        """Number the distinct labels in sorted order."""
        return cls(tuple(sorted(set(labels))))

    def encode(self, labels: Sequence[str], part: str) -> npt.NDArray[np.int64]:
        """Class numbers, a row each.

        Args:
            part: what the rows are called in an error, such as "validation".

        Raises:
            DataError: labels that training never saw; they are named.
        """
        numbers = {label: number for number, label in enumerate(self.labels)}
        unknown = sorted(set(labels) - numbers.keys())
        if unknown:
            raise DataError(
                f"Every label of the {part} data must occur in the training data, which has {listed(self.labels)}; "
                f"it never saw {listed(unknown)}. Take these rows out, or add such rows to the training data."
            )
        return np.fromiter((numbers[label] for label in labels), np.int64, len(labels))

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The labels of class numbers."""
        return [self.labels[number] for number in numbers]


def by_label(given: Mapping[object, T], labels: Sequence[str]) -> dict[str, T]:
    """What somebody says of labels, under their own names: a number finds the label that is written otherwise.

    Example:
        >>> by_label({1: "bad", 4.5: "good"}, ["1.0", "4.5"])
        {'1.0': 'bad', '4.5': 'good'}
    """
    numbers = {number: label for label in labels if (number := _number(label)) is not None}
    found = {}
    for key, value in given.items():
        name = str(key)
        number = None if name in labels else _number(name)
        found[name if number is None else numbers.get(number, name)] = value
    return found


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None
