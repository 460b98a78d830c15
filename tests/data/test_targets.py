from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
import torch

from gradfleet.data.dataset import AutoDataset
from gradfleet.errors import DataError

X = np.random.default_rng(0).normal(size=(12, 3))


@pytest.mark.parametrize(
    ("targets", "kind", "num_outputs", "labels"),
    [
        ([0, 1, 2] * 4, "multiclass", 3, None),
        ([0, 1] * 6, "multiclass", 2, None),
        (torch.tensor([0, 1] * 6)[:, None], "multiclass", 2, None),
        ([3, 10, 7] * 4, "multiclass", 3, ("3", "7", "10")),
        (["no", "yes"] * 6, "multiclass", 2, ("no", "yes")),
        (np.array(["no", "yes"] * 6, dtype=object), "multiclass", 2, ("no", "yes")),
        ([False, True] * 6, "multiclass", 2, ("False", "True")),
        ([0.0, 1.0] * 6, "binary", 1, None),
        (np.array([[0.0], [1.0]] * 6), "binary", 1, None),
        ([[0, 1, 1], [1, 0, 0]] * 6, "multilabel", 3, None),
        (np.array([[True, False], [True, True]] * 6), "multilabel", 2, None),
        ([0.5, 1.5, 2.0] * 4, "regression", 1, None),
        ([0.0, 1.0, 2.0] * 4, "regression", 1, None),
        ([[0.5, 1.0], [2.0, 1.0]] * 6, "regression", 2, None),
    ],
)
def test_the_type_of_the_targets_decides_the_kind(targets: Any, kind: str, num_outputs: int, labels: Any) -> None:
    data = AutoDataset((X, targets))
    facts = data.open().facts
    assert (data.kind, facts.num_outputs, data.labels) == (kind, num_outputs, labels)
    stored = data.open().train.targets
    assert stored.dtype == (torch.int64 if kind == "multiclass" else torch.float32)
    assert stored.shape[1:] == (() if kind == "multiclass" else (num_outputs,))


@pytest.mark.parametrize(
    ("targets", "word"), [(["no", "yes"] * 6, "strings"), ([0, 1] * 6, "integers"), ([True, False] * 6, "booleans")]
)
def test_the_note_calls_classes_by_words(targets: Any, word: str) -> None:
    assert (
        AutoDataset((X, targets)).notes[0]
        == f"The targets name classes ({word}), so this is multiclass with 2 classes."
    )


def test_advice_names_what_takes_it() -> None:
    with pytest.raises(DataError, match=r"learn amounts: AutoDataset\(\.\.\., kind=\"regression\"\)\."):
        AutoDataset((X, [0.5, 2.0] * 6), kind="multiclass")


def test_whole_floats_are_regression_and_the_note_says_how_to_have_classes() -> None:
    assert "if these are classes, give integers instead" in AutoDataset((X, [0.0, 1.0, 2.0] * 4)).notes[0]
    assert "if these are classes, give class numbers" in AutoDataset((X, np.eye(3, dtype=int)[[0, 1, 2] * 4])).notes[0]


def test_labels_are_numbered_in_sorted_order() -> None:
    data = AutoDataset((X, ["b", "a", "c"] * 4), validation=(X[:2], ["c", "a"])).open()
    assert data.train.targets.tolist() == [1, 0, 2] * 4
    assert data.validation.targets.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0] * 12, r"at least two different targets; all 12 training rows have 0"),
        (["a"] * 12, r"all 12 training rows have 'a'"),
        ([0] * 11 + [1], r"these have one: 1\. Add rows"),
        (["a"] * 11 + ["b"], r"these have one: 'b'\. Add rows"),
        ([[0, 2], [1, 1]] * 6, r"need 0 and 1 only \(multilabel\), got 0, 1, 2"),
        ([["a", "b"], ["c", "d"]] * 6, r"several columns need numbers"),
        (np.zeros((12, 2, 2), int), r"one or two axes .*, or floats .* of images; got int64 of shape \(12, 2, 2\)"),
        (np.array(["a", 1] * 6, dtype=object), r"a mixture of int, str"),
        ([0, 1] * 5, r"a target for each row .* got 12 rows of inputs and 10 targets"),
    ],
)
def test_targets_that_cannot_be_learned_are_refused(targets: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AutoDataset((X, targets))


@pytest.mark.parametrize(
    ("train", "validation", "message"),
    [
        (
            ["a", "b"],
            ["a", "c"],
            r"validation data must occur in the training data, which has 'a', 'b'; it never saw 'c'",
        ),
        ([0, 1], [0, 2], r"which has '0', '1'; it never saw '2'"),
        ([0, 1], [0.0, 1.0], r"need one integer or label a row as in training, got float64"),
        ([0.0, 1.0], [0.0, 0.5], r"need 0 and 1 only as in training, got 0.0, 0.5"),
        ([[0, 1], [1, 1]], [[1], [0]], r"need 2 number\(s\) a row as in training"),
    ],
)
def test_validation_targets_have_to_be_those_of_training(train: Any, validation: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AutoDataset((X, train * 6), validation=(X[:2], validation))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_numbers_of_a_scale_are_classes_where_that_is_said(kind: Any) -> None:
    targets = np.array([4.3, 0.5, 10.0] * 4, kind)
    data = AutoDataset((X, targets), validation=(X[:3], [10, 0.5, 4.3]), kind="ordinal")
    facts = data.open().facts
    assert (data.kind, data.labels, facts.label_type) == ("multiclass", ("0.5", "4.3", "10.0"), "float")
    assert data.open().validation.targets.tolist() == [2, 0, 1]
    assert [facts.label(number) for number in range(3)] == [0.5, 4.3, 10.0]
    assert AutoDataset((X, np.array([1.0, 2.0, 3.0] * 4)), kind="ordinal").labels == ("1", "2", "3")
    assert AutoDataset((X, ["no", "yes"] * 6), kind="ordinal").labels == ("no", "yes")
    with pytest.raises(DataError, match=r"never saw '3\.0'"):
        AutoDataset((X, targets), validation=(X[:1], [3]), kind="ordinal")
    with pytest.raises(DataError, match=r"which has '1', '2', '3'; it never saw '1\.5'"):
        AutoDataset((X, np.array([1.0, 2.0, 3.0] * 4)), validation=(X[:1], [1.5]), kind="ordinal")
    frame = pandas.DataFrame({"a": X[:, 0], "label": targets})
    assert AutoDataset(frame, target="label", kind="ordinal").labels == data.labels
    whole = frame.assign(label=[1.0, 2.0] * 6)
    with pytest.raises(DataError, match=r"it never saw '1\.5'"):
        AutoDataset(whole, target="label", validation=whole.assign(label=1.5), kind="ordinal")
    assert AutoDataset((X, np.array([0.0, -0.0, 0.5, -0.5] * 3)), kind="ordinal").labels == ("-0.5", "0.0", "0.5")
    named = AutoDataset((X, np.array([4.3, 0.5, 10.0] * 4).astype(str)))
    assert named.fingerprint != AutoDataset((X, np.array([4.3, 0.5, 10.0] * 4)), kind="ordinal").fingerprint
    with pytest.raises(DataError, match=r"A scale has at most 101 numbers, and these are 120: 0\.0.*Round them"):
        AutoDataset((np.repeat(X, 10, axis=0), np.linspace(0, 1, 120)), kind="ordinal")
    with pytest.raises(DataError, match=r"A scale is one number a row, got targets of shape \(12, 2\)"):
        AutoDataset((X, np.array([[1.5, 2.0], [2.0, 1.0]] * 6)), kind="ordinal")


def test_scores_of_numbers_are_found_by_their_value() -> None:
    data = AutoDataset((X, np.array([1.5, 4.0, 5.0] * 4)), kind="ordinal")
    assert data.scored({1.5: -1.0, 4: 0.5, 5: 1.0}).open().facts.label_scores == (-1.0, 0.5, 1.0)
    stars = AutoDataset((X, [1, 5] * 6))
    assert stars.scored({1.0: -1.0, 5.0: 1.0}).open().facts.label_scores == (-1.0, 1.0)
