from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from gradfleet.data import prepared
from gradfleet.data.dataset import AutoDataset
from gradfleet.data.prepared import PreparedData
from gradfleet.errors import DataError, ExecutionError


class Squares(Dataset[tuple[torch.Tensor, int]]):
    """Examples that are computed; counts how often each is read."""

    def __init__(self, num_rows: int = 20, num_classes: int = 2, noise: float = 0.0) -> None:
        self.num_rows, self.num_classes, self.noise = num_rows, num_classes, noise
        self.reads: list[int] = []

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        self.reads.append(row)
        return torch.full((3,), float(row)) + self.noise * torch.rand(3) * random.random(), row % self.num_classes


class Kept(Squares):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.targets = [row % self.num_classes for row in range(self.num_rows)]
        self.classes = [f"class {number}" for number in range(self.num_classes)]


class Stream(IterableDataset[tuple[torch.Tensor, int]]):
    def __iter__(self) -> Any:
        return ((torch.full((3,), float(row)), row % 2) for row in range(10))


def fresh(place: str) -> PreparedData:
    prepared._OPEN.pop(place, None)
    return prepared.read_prepared(Path(place))


def test_a_dataset_is_split_with_every_class_in_both_parts() -> None:
    data = AutoDataset(Squares(20, 4))
    opened = data.open()
    assert (data.kind, opened.facts.num_outputs, opened.facts.input_shape) == ("multiclass", 4, (3,))
    assert opened.facts.num_rows == {"train": 16, "validation": 4}
    assert sorted(target for _, target in opened.validation) == [0, 1, 2, 3]
    assert data.notes[1:] == (
        "The targets were found by reading each of the 20 training examples once.",
        "No validation data was given, so 4 of 20 rows validate and 16 train (stratified by class, seed 0).",
    )


def test_targets_that_a_dataset_keeps_are_not_read_row_by_row() -> None:
    dataset = Kept(num_rows=1000)
    data = AutoDataset(Subset(ConcatDataset([dataset]), range(100)), validation=dataset)
    assert set(dataset.reads) == {0}
    data = AutoDataset(Subset(dataset, range(100)))
    assert data.labels == ("class 0", "class 1")
    assert set(dataset.reads) == {0}


def test_kept_targets_that_a_transform_changes_are_not_trusted() -> None:
    dataset = Kept(num_rows=8)
    dataset.targets = [target + 5 for target in dataset.targets]
    assert AutoDataset(dataset).open().facts.num_outputs == 2


def test_dataloaders_are_used_as_they_are(tmp_path: Path) -> None:
    train, validation = (DataLoader(Squares(), batch_size=size) for size in (4, 5))
    data = AutoDataset(train, validation=validation)
    assert data.open().train is train
    ref = data.prepare(tmp_path)
    assert ref.open().train is train
    assert ref.open().validation is validation
    there = fresh(ref.place)
    assert there.train.batch_size == 4
    assert torch.equal(next(iter(there.train))[0], next(iter(train))[0])
    assert there.facts == data.open().facts


def test_parts_of_one_dataset_share_it_in_the_worker_too(tmp_path: Path) -> None:
    there = fresh(AutoDataset(Squares()).prepare(tmp_path).place)
    assert there.train.dataset is there.validation.dataset


def test_streams_are_taken_when_validation_is_given(tmp_path: Path) -> None:
    data = AutoDataset(Stream(), validation=DataLoader(Stream()))
    assert data.open().facts.num_rows == {"train": -1, "validation": -1}
    assert len(list(fresh(data.prepare(tmp_path).place).train)) == 10
    for source in (Stream(), DataLoader(Squares())):
        with pytest.raises(DataError, match=rf"A {type(source).__name__} cannot be split, so pass validation= as well"):
            AutoDataset(source)


def test_a_tensor_dataset_beside_a_dataloader_stays_what_it_is() -> None:
    dataset = TensorDataset(torch.rand(4, 3), torch.tensor([0, 1, 0, 1]))
    assert AutoDataset(dataset, validation=DataLoader(dataset)).open().train is dataset


def test_the_fingerprint_shows_content_length_and_type() -> None:
    same = {AutoDataset(Squares(noise=1.0)).fingerprint for _ in range(2)}
    assert len(same) == 1
    others: list[Any] = [Squares(), Squares(21), Kept(), DataLoader(Squares(), batch_size=2)]
    validation = Squares()
    assert len(same | {AutoDataset(other, validation=validation).fingerprint for other in others}) == 5


def test_looking_at_examples_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    expected = torch.rand(1), np.random.rand(), random.random()
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    _ = AutoDataset(Squares(noise=1.0)).fingerprint
    assert (torch.rand(1), np.random.rand(), random.random()) == expected


def test_the_hidden_test_examples_are_not_read(tmp_path: Path) -> None:
    hidden = Squares()
    AutoDataset(Squares(), validation=Squares(), test=hidden).prepare(tmp_path).open()
    assert hidden.reads == []


def test_a_change_outside_the_sample_is_prepared_anew(tmp_path: Path) -> None:
    data = TensorDataset(torch.zeros(1000, 3), torch.arange(1000) % 2)
    first = AutoDataset(data, validation=DataLoader(data)).prepare(tmp_path)
    data.tensors[0][1] = 9.0
    other = AutoDataset(data, validation=DataLoader(data)).prepare(tmp_path)
    assert first.fingerprint == other.fingerprint
    assert first.place != other.place
    assert fresh(other.place).train[1][0].tolist() == [9.0] * 3


def test_what_cannot_be_pickled_is_named(tmp_path: Path) -> None:
    dataset = Squares()
    dataset.options = {"guards": [threading.Lock()]}
    data = AutoDataset(dataset, validation=Squares())
    assert data.open().train is dataset
    with pytest.raises(
        ExecutionError, match=r"data\['train'\].options\['guards'\]\[0\] \(of type lock\) cannot be sent"
    ):
        data.prepare(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


class Shifted(Squares):
    """Targets of another kind."""

    def __init__(self, targets: list[Any]) -> None:
        super().__init__(len(targets))
        self.wanted = targets

    def __getitem__(self, row: int) -> tuple[torch.Tensor, Any]:
        return torch.zeros(3), self.wanted[row]


@pytest.mark.parametrize(
    ("targets", "kind", "num_outputs"),
    [
        ([2, 5, 2, 5], "multiclass", 6),
        ([0.5, 1.5, 2.0, 1.0], "regression", 1),
        ([0.0, 1.0, 0.0, 1.0], "binary", 1),
        ([torch.tensor([0, 1, 1])] * 4, "multilabel", 3),
    ],
)
def test_the_kind_of_a_dataset_follows_the_same_rule(targets: list[Any], kind: str, num_outputs: int) -> None:
    facts = AutoDataset(Shifted(targets)).open().facts
    assert (facts.kind, facts.num_outputs) == (kind, num_outputs)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Squares(0), "at least one example, got an empty Squares"),
        (Shifted(["a", "b"] * 2), r"classes need to be numbers from 0, got 'a', 'b'"),
        (Shifted([-1, 1] * 2), r"classes need to be numbers from 0, got -1, 1"),
        (Shifted([torch.zeros(1), torch.zeros(2)]), r"same shape in every example, got \[\(1,\), \(2,\)\]"),
        (TensorDataset(torch.zeros(4, 3)), r"needs to be a pair \(inputs, target\)"),
        ((Squares(), Squares()), r"got tuple"),
        (7, r"got int"),
    ],
)
def test_datasets_that_cannot_be_learned_from_are_refused(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AutoDataset(source)
