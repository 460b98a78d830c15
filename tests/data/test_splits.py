from __future__ import annotations

import numpy as np
import pytest

from gradfleet.data.splits import shuffled, stratified
from gradfleet.errors import DataError


@pytest.mark.parametrize("fraction", [0.1, 0.2, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("counts", [[2, 2], [5, 50, 500], [7, 11, 13, 17], [2, 3, 400], [10] * 30])
def test_each_class_is_split_within_one_row_and_is_in_both_parts(counts: list[int], fraction: float) -> None:
    classes = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    train, held = stratified(classes, fraction, seed=0)
    for number, count in enumerate(counts):
        share = int((classes[held] == number).sum())
        assert abs(share - count * fraction) < 1
        assert 0 < share < count
    assert sorted([*train, *held]) == list(range(len(classes)))


@pytest.mark.parametrize("fraction", [0.1, 0.2, 1 / 3, 0.5])
def test_the_whole_is_split_within_one_row_though_every_class_is_rounded(fraction: float) -> None:
    classes = np.repeat(np.arange(10), 17)
    _, held = stratified(classes, fraction, seed=0)
    assert abs(len(held) - len(classes) * fraction) < 1


def test_a_seed_gives_one_split_and_another_seed_another() -> None:
    classes = np.repeat([0, 1], 50)
    first, same, other = (stratified(classes, 0.2, seed)[1] for seed in (3, 3, 4))
    assert first.tolist() == same.tolist() != other.tolist()


def test_a_class_with_one_row_is_named() -> None:
    with pytest.raises(DataError, match=r"needs at least two rows, one to train and one to validate; .* one: 'tulip'"):
        stratified(np.array(["rose", "rose", "tulip"]), 0.2, seed=0)


def test_a_random_split_leaves_rows_on_both_sides() -> None:
    assert [len(part) for part in shuffled(2, 0.01, seed=0)] == [1, 1]
    assert [len(part) for part in shuffled(10, 0.2, seed=0)] == [8, 2]
    with pytest.raises(DataError, match="at least two rows to be split, got 1"):
        shuffled(1, 0.2, seed=0)
