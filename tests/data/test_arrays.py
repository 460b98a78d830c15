from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.labelled import labelled
from gradfleet.errors import DataError

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = np.array([0, 1] * 10)


def test_arrays_tensors_lists_and_tensor_datasets_are_the_same_data() -> None:
    tensors = torch.from_numpy(X), torch.from_numpy(Y)
    sources: list[Any] = [(X, Y), tensors, (X.tolist(), Y.tolist()), TensorDataset(*tensors)]
    opened = [AutoDataset(source) for source in sources]
    assert len({data.fingerprint for data in opened}) == 1
    for data in opened:
        assert torch.equal(data.open().train.inputs, opened[0].open().train.inputs)
        assert torch.equal(data.open().validation.targets, opened[0].open().validation.targets)


def test_rows_stay_with_their_targets_through_the_split() -> None:
    x = np.arange(20, dtype=np.float32)[:, None]
    data = AutoDataset((x, Y)).open()
    inputs = torch.cat([data.train.inputs, data.validation.inputs]).reshape(-1)
    targets = torch.cat([data.train.targets, data.validation.targets])
    assert sorted(inputs.tolist()) == list(range(20))
    assert torch.equal(inputs % 2, targets.float())
    assert data.validation.targets.bincount().tolist() == [2, 2]


def test_given_parts_stay_as_they_are(tmp_path: Path) -> None:
    data = AutoDataset((X[:10], Y[:10]), validation=(X[10:14], Y[10:14]), test=(X[14:], Y[14:]))
    opened = data.prepare(tmp_path).open()
    assert opened.facts.num_rows == {"train": 10, "validation": 4, "test": 6}
    for part, rows in ((opened.train, X[:10]), (opened.validation, X[10:14]), (opened.test, X[14:])):
        assert torch.equal(part.inputs, torch.from_numpy(rows))
    assert not any("No validation data" in note for note in data.notes)


def test_a_given_test_part_does_not_take_part_in_the_split() -> None:
    opened = AutoDataset((X[:10], Y[:10]), test=(X[10:], Y[10:])).open()
    assert opened.facts.num_rows == {"train": 8, "validation": 2, "test": 10}
    assert torch.equal(opened.test.inputs, torch.from_numpy(X[10:]))


def test_a_split_that_was_made_is_said_with_its_counts() -> None:
    said = "No validation data was given, so 4 of 20 rows validate and 16 train (stratified by class, seed 7)."
    assert AutoDataset((X, Y), seed=7).notes[-1] == said
    assert "(stratified by bins of the target, seed 0)" in AutoDataset((X, X[:, 0])).notes[-1]
    assert "(drawn at random, seed 0)" in AutoDataset((X, np.eye(2)[Y])).notes[-1]


def test_statistics_are_of_training_rows_only() -> None:
    outlier = np.full((4, 3), 1e6, np.float32)
    plain = AutoDataset((X, Y), validation=(X[:4], Y[:4])).open().facts.statistics
    other = AutoDataset((X, Y), validation=(outlier, Y[:4])).open().facts.statistics
    assert plain == other
    np.testing.assert_allclose(plain["mean"], X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(plain["std"], X.std(0), rtol=1e-5)
    assert plain["class_counts"] == [10, 10]


def test_statistics_of_images_are_per_channel_and_keep_their_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradfleet.data.rows._CHUNK_BYTES", 1000)
    images = np.random.default_rng(0).normal(1000, 0.01, size=(20, 3, 4, 5)).astype(np.float32)
    images[:, 2] = 7
    found = AutoDataset((images, Y), validation=(images, Y)).open().facts.statistics
    np.testing.assert_allclose(found["mean"], images.astype(np.float64).mean((0, 2, 3)))
    np.testing.assert_allclose(found["std"][:2], images.astype(np.float64).std((0, 2, 3))[:2], rtol=1e-6)
    assert found["std"][2] == 1.0


@pytest.mark.parametrize(
    ("given", "stored"),
    [(np.float64, torch.float32), (np.uint8, torch.uint8), (np.int32, torch.int64), (bool, torch.float32)],
)
def test_inputs_are_stored_in_the_type_that_training_reads(given: Any, stored: torch.dtype) -> None:
    assert AutoDataset((np.ones((20, 3), given), Y)).open().train.inputs.dtype == stored


def test_bfloat16_tensors_are_read() -> None:
    assert AutoDataset((torch.ones(20, 3, dtype=torch.bfloat16), Y)).open().train.inputs.dtype == torch.float32


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (X[:0], Y[:0], "at least one row, got 0 rows of inputs and 0 targets"),
        (X[:, 0], Y, r"at least two axes \(rows, features\).*pass x.reshape\(-1, 1\)"),
        (X.astype(str), Y, "inputs need numbers, got <U"),
        ([[1.0], [1.0, 2.0]], [0, 1], "train inputs need rows of one shape; numpy says"),
    ],
)
def test_inputs_that_cannot_be_used_are_refused(inputs: Any, targets: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AutoDataset((inputs, targets))


def test_rows_with_nan_or_infinity_are_named() -> None:
    bad = X.copy()
    bad[3, 0], bad[7, 2] = np.nan, np.inf
    with pytest.raises(DataError, match=r"the train data has NaN, infinity or None in 2 rows: 3, 7\. Pass on_bad_rows"):
        AutoDataset((bad, Y))
    with pytest.raises(DataError, match=r"in 1 row: 1\."):
        AutoDataset((X, np.where(np.arange(20) == 1, np.nan, X[:, 0])))
    with pytest.raises(DataError, match=r"in 20 rows: 0, 1, .*, 9 and 10 more"):
        AutoDataset((bad * np.nan, Y))


def test_rows_with_nan_are_left_out_when_asked_and_listed() -> None:
    bad = X.copy()
    bad[3, 0] = np.nan
    data = AutoDataset((bad, Y), on_bad_rows="skip")
    assert data.open().facts.num_rows == {"train": 15, "validation": 4}
    assert "Left out 1 row of the train data with NaN, infinity or None: 3." in data.notes


def test_parts_of_different_shapes_are_refused() -> None:
    with pytest.raises(DataError, match=r"validation inputs need .* \(3,\) float32 a row, got \(2,\) float32"):
        AutoDataset((X, Y), validation=(X[:, :2], Y))


def test_what_is_no_data_is_refused_by_its_type() -> None:
    with pytest.raises(DataError, match=r"a folder's path, a pair \(inputs, targets\).*got list"):
        AutoDataset([X, Y])
    with pytest.raises(DataError, match=r"The training data is arrays, so validation= needs a pair .* got str"):
        AutoDataset((X, Y), validation="flowers")


def test_settings_are_all_checked_at_once() -> None:
    with pytest.raises(DataError) as caught:
        AutoDataset((X, Y), validation_fraction=1.5, validation_rows=0, seed=-1, on_bad_rows="skipp")
    assert len(caught.value.problems) == 4
    assert "Did you mean 'skip'?" in str(caught.value)


def test_labelled_arrays_take_labels_or_class_numbers() -> None:
    facts = AutoDataset((X, np.where(Y, "yes", "no"))).open().facts
    by_label = labelled((X[:2], ["no", "yes"]), facts).examples
    by_number = labelled((X[:2].tolist(), [0, 1]), facts).examples
    assert by_label.targets.tolist() == by_number.targets.tolist() == [0, 1]
    with pytest.raises(DataError, match="never saw 'maybe'"):
        labelled((X[:2], ["no", "maybe"]), facts)
    with pytest.raises(DataError, match=r"the shape \(3,\) a row as in training, got \(2,\)"):
        labelled((X[:2, :2], ["no", "yes"]), facts)
