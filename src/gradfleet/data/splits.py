"""Which rows train and which validate, when the data does not say so itself. Always seeded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gradfleet.data.problems import listed
from gradfleet.errors import DataError

Rows = npt.NDArray[np.int64]
_MOST_BINS, _LEAST_IN_BIN = 10, 5


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
            f"{listed(numbers[counts < 2].tolist())}. Add rows of them, take them out, or give rows to validate by: "
            "AutoDataset(..., validation=...)."
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


def binned(amounts: npt.NDArray[Any], fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows, ascending, with small, middling and large amounts in both parts alike.

    The rows are ranked and cut into up to ten bins of at least five rows each, which are then split like classes.
    """
    bins = bins_of(amounts)
    return shuffled(len(amounts), fraction, seed) if bins is None else stratified(bins, fraction, seed)


def bins_of(amounts: npt.NDArray[Any]) -> Rows | None:
    """The bin of each row; None when there are too few rows for two bins."""
    number = min(_MOST_BINS, len(amounts) // _LEAST_IN_BIN)
    if number < 2:
        return None
    ranks = np.empty(len(amounts), np.int64)
    ranks[np.argsort(amounts, kind="stable")] = np.arange(len(amounts))
    return ranks * number // len(amounts)


def grouped(groups: npt.NDArray[Any], fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows, ascending, such that no group is in both parts.

    Whole groups are held out, in random order, as long as they fit into the `fraction` of the rows.

    Raises:
        DataError: there is one group only.
    """
    names, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise DataError(f"A split by groups needs at least two groups, got only {listed(names.tolist())}.")
    wanted = len(groups) * fraction
    held, chosen = 0, list[int]()
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    for group in order:
        if held + counts[group] <= wanted + 0.5 and len(chosen) < len(names) - 1:
            chosen.append(group)
            held += int(counts[group])
    if not chosen:
        chosen = [min(order, key=lambda group: counts[group])]
    return _both(len(groups), np.flatnonzero(np.isin(numbers, chosen)))


def fold(
    number: int, of: int, num_rows: int, seed: int, classes: npt.NDArray[Any] | None, groups: npt.NDArray[Any] | None
) -> tuple[Rows, Rows]:
    """Training and validation rows of one of `of` folds; over all folds each row validates exactly once.

    Folds are as large as each other within one row, and so is each class within them; whole groups stay together, and
    then the folds are as alike as the groups allow.

    Raises:
        DataError: there are fewer rows, rows of a class, or groups than folds.
    """
    random = np.random.default_rng(seed)
    if groups is not None:
        folds = _dealt_groups(groups, of, random)
    elif num_rows < of:
        raise DataError(f"{of} folds need at least {of} rows, got {num_rows}.")
    else:
        folds = _dealt_rows(np.zeros(num_rows) if classes is None else classes, of, random)
    return _both(num_rows, np.flatnonzero(folds == number))


def _dealt_rows(classes: npt.NDArray[Any], of: int, random: np.random.Generator) -> Rows:
    """The fold of each row: the rows of one class after the other are dealt like cards."""
    folds, dealt = np.empty(len(classes), np.int64), 0
    for one in np.unique(classes):
        rows = random.permutation(np.flatnonzero(classes == one))
        if len(rows) < of:
            raise DataError(
                f"{of} folds need at least {of} rows of each class, one to validate in each; {one} has {len(rows)}. "
                "Take fewer folds, or add rows of it."
            )
        folds[rows] = (dealt + np.arange(len(rows))) % of
        dealt += len(rows)
    return folds


def _dealt_groups(groups: npt.NDArray[Any], of: int, random: np.random.Generator) -> Rows:
    """The fold of each row: the largest group first, each to the fold that is smallest by then."""
    names, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < of:
        raise DataError(f"{of} folds need at least {of} groups, got {len(names)}.")
    sizes, chosen = np.zeros(of, np.int64), np.empty(len(names), np.int64)
    order = random.permutation(len(names))
    for group in order[np.argsort(-counts[order], kind="stable")]:
        chosen[group] = sizes.argmin()
        sizes[chosen[group]] += counts[group]
    folds: Rows = chosen[numbers]
    return folds


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
