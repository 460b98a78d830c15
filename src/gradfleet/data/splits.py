"""Which rows train and which validate, when the data does not say so itself. Always seeded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gradfleet.data.problems import listed
from gradfleet.errors import DataError

Rows = npt.NDArray[np.int64]


def stratified(classes: npt.NDArray[Any], fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows, ascending, with every class in both parts.

    Each class and the whole get `fraction` of their rows within one row (the whole gets more only where a class
    would otherwise be missing from a part).

    Raises:
        DataError: a class has a single row, so it cannot be in both parts; it is named.
    """
    numbers, counts = np.unique(classes, return_counts=True)
    if (counts < 2).any():
        raise DataError(
            "A class needs at least two rows, one to train and one to validate; these have one: "
            f"{listed(numbers[counts < 2].tolist())}. Add rows of them, take them out, or pass validation= as well."
        )
    shares = _shares(counts, fraction)
    random = np.random.default_rng(seed)
    held = [
        random.permutation(np.flatnonzero(classes == number))[:share]
        for number, share in zip(numbers, shares, strict=True)
    ]
    return _both(len(classes), np.concatenate(held))


def shuffled(num_rows: int, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows, ascending, drawn without regard to the targets.

    Raises:
        DataError: fewer than two rows.
    """
    if num_rows < 2:
        raise DataError(f"Data needs at least two rows to be split, got {num_rows}.")
    share = min(max(round(num_rows * fraction), 1), num_rows - 1)
    return _both(num_rows, np.random.default_rng(seed).permutation(num_rows)[:share])


def _shares(counts: npt.NDArray[np.int64], fraction: float) -> list[int]:
    """Rows held out of each class: rounded down, then the largest remainders up until the whole is right."""
    exact = [float(count) * fraction for count in counts]
    shares = [max(math.floor(share), 1) for share in exact]
    missing = round(sum(exact)) - sum(shares)
    by_remainder = sorted(range(len(counts)), key=lambda index: shares[index] - exact[index])
    for index in by_remainder[: max(missing, 0)]:
        if shares[index] < exact[index]:
            shares[index] = min(shares[index] + 1, int(counts[index]) - 1)
    return shares


def _both(num_rows: int, held: npt.NDArray[np.int64]) -> tuple[Rows, Rows]:
    validates = np.zeros(num_rows, bool)
    validates[held] = True
    return np.flatnonzero(~validates), np.flatnonzero(validates)
