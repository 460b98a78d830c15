from __future__ import annotations

import numpy as np
import pytest

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.splits import binned, fold, grouped, shuffled, stratified
from gradfleet.errors import DataError


@pytest.mark.row("DA2")
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


@pytest.mark.row("DA2")
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
    with pytest.raises(DataError, match=r"or give rows to validate by: AutoDataset\(\.\.\., validation=\.\.\.\)\."):
        stratified(np.array([0, 1, 1]), 0.2, seed=0)


def test_a_random_split_leaves_rows_on_both_sides() -> None:
    assert [len(part) for part in shuffled(2, 0.01, seed=0)] == [1, 1]
    assert [len(part) for part in shuffled(10, 0.2, seed=0)] == [8, 2]
    with pytest.raises(DataError, match="at least two rows to be split, got 1"):
        shuffled(1, 0.2, seed=0)


@pytest.mark.row("DA2")
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_no_group_is_in_both_parts_and_the_share_is_right_within_one_row(fraction: float) -> None:
    groups = np.random.default_rng(1).permutation(np.repeat(np.arange(60), [1, 2, 3] * 20))
    train, held = grouped(groups, fraction, seed=0)
    assert not set(groups[train]) & set(groups[held])
    assert abs(len(held) - len(groups) * fraction) <= 1
    assert sorted([*train, *held]) == list(range(len(groups)))


def test_a_split_by_groups_needs_two_of_them() -> None:
    with pytest.raises(DataError, match="at least two groups, got only 'a'"):
        grouped(np.array(["a", "a"]), 0.2, seed=0)
    train, held = grouped(np.array(["a"] * 9 + ["b"] * 8), 0.2, seed=0)
    assert (len(train), len(held)) == (9, 8)


@pytest.mark.row("DA2")
def test_continuous_targets_are_split_in_bins() -> None:
    amounts = np.random.default_rng(0).lognormal(size=103)
    _, held = binned(amounts, 0.2, seed=0)
    assert abs(len(held) - 103 * 0.2) < 1
    for low, high in ((0, 0.1), (0.4, 0.6), (0.9, 1)):
        inside = (amounts >= np.quantile(amounts, low)) & (amounts <= np.quantile(amounts, high))
        assert abs(inside[held].sum() - inside.sum() * 0.2) <= 2
    assert [len(part) for part in binned(np.arange(6.0), 0.2, seed=0)] == [5, 1]


@pytest.mark.row("DA2")
@pytest.mark.parametrize("of", [2, 3, 5])
def test_over_all_folds_each_row_validates_once_and_each_class_is_shared_alike(of: int) -> None:
    classes = np.random.default_rng(1).permutation(np.repeat(["a", "b", "c"], [7, 20, 31]))
    folds = [fold(number, of, 58, 0, classes, None) for number in range(of)]
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(58))
    assert max(len(held) for _, held in folds) - min(len(held) for _, held in folds) <= 1
    for name in "abc":
        shares = [int((classes[held] == name).sum()) for _, held in folds]
        assert max(shares) - min(shares) <= 1
    for train, held in folds:
        assert sorted([*train, *held]) == list(range(58))


@pytest.mark.row("DA2")
def test_folds_keep_groups_together() -> None:
    groups = np.random.default_rng(1).permutation(np.repeat(np.arange(12), [5, 3, 1] * 4))
    folds = [fold(number, 4, len(groups), 0, None, groups) for number in range(4)]
    for train, held in folds:
        assert not set(groups[train]) & set(groups[held])
    assert sorted(len(held) for _, held in folds) == [9, 9, 9, 9]
    with pytest.raises(DataError, match="5 folds need at least 5 groups, got 2"):
        fold(0, 5, 4, 0, None, np.array([0, 0, 1, 1]))
    with pytest.raises(DataError, match="5 folds need at least 5 rows, got 4"):
        fold(0, 5, 4, 0, None, None)


@pytest.mark.row("DA2")
def test_a_dataset_is_split_by_groups_or_folded_when_asked() -> None:
    x = np.arange(60, dtype=np.float32)[:, None]
    patients = np.repeat(np.arange(20), 3)
    data = AutoDataset((x, patients % 2), group=patients)
    opened = data.open()
    held = set(opened.validation.inputs[:, 0].int().tolist())
    assert len(held) == 12
    assert {row // 3 for row in held}.isdisjoint(row // 3 for row in range(60) if row not in held)
    assert data.notes[-1] == (
        "No validation data was given, so 12 of 60 rows validate and 48 train (whole groups, seed 0)."
    )
    folds = AutoDataset((x, patients % 2)).folds(3)
    seen = [row for one in folds for row in one.open().validation.inputs[:, 0].tolist()]
    assert sorted(seen) == list(range(60))
    assert folds[1].notes[-1] == "Fold 2 of 3: 20 of 60 rows validate and 40 train (seed 0)."
    table = AutoDataset({"x": x[:, 0], "label": patients % 2, "patient": patients}, group="patient")
    assert table.open().facts.num_rows == {"train": 48, "validation": 12}
    with pytest.raises(DataError, match="this data has a validation part of its own"):
        AutoDataset((x, patients % 2), validation=(x, patients % 2)).folds(3)
    with pytest.raises(DataError, match="At least two folds are needed, got 1"):
        AutoDataset((x, patients % 2)).folds(1)
    with pytest.raises(DataError, match=r"group= needs a value for each of the 60 training rows, got 2"):
        AutoDataset((x, patients % 2), group=[1, 2])
