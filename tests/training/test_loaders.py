from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from gradfleet.data.examples import ArrayExamples, as_tensor
from gradfleet.data.loaders import make_batches, move, split_of
from gradfleet.errors import DataError, SettingError

ROWS = 70
DATASET = TensorDataset(torch.arange(ROWS * 2.0).reshape(ROWS, 2), torch.arange(ROWS))


class Odd(Sampler[int]):
    """Draws lazily: its next row depends on when it is asked."""

    def __init__(self) -> None:
        super().__init__()

    def __iter__(self) -> Iterator[int]:
        return (int(torch.randint(ROWS, ())) for _ in range(ROWS))

    def __len__(self) -> int:
        return ROWS


LOADERS = {
    "sequential": lambda: DataLoader(DATASET, batch_size=16),
    "shuffled": lambda: DataLoader(DATASET, batch_size=16, shuffle=True),
    "drop last": lambda: DataLoader(DATASET, batch_size=16, shuffle=True, drop_last=True),
    "generator": lambda: DataLoader(DATASET, 16, shuffle=True, generator=torch.Generator().manual_seed(4)),
    "with replacement": lambda: DataLoader(DATASET, 16, sampler=RandomSampler(DATASET, replacement=True)),
    "subset": lambda: DataLoader(DATASET, 16, sampler=SubsetRandomSampler(range(30))),
    "weighted": lambda: DataLoader(DATASET, 16, sampler=WeightedRandomSampler([1.0] * ROWS, 50)),
    "lazy sampler": lambda: DataLoader(DATASET, 16, sampler=Odd()),
    "own batches": lambda: DataLoader(DATASET, batch_sampler=[[3, 1], [2], [5, 4, 6]]),
    "workers": lambda: DataLoader(DATASET, batch_size=16, shuffle=True, num_workers=1),
}


def epochs_of(source: Any, count: int) -> list[Any]:
    torch.manual_seed(0)
    return [list(source(number)) for number in range(count)]


@pytest.mark.parametrize("name", LOADERS)
def test_a_tensor_loader_read_by_index_gives_the_loaders_own_batches(name: str) -> None:
    direct, ours = LOADERS[name](), make_batches(LOADERS[name](), batch_size=1, shuffle=True, seed=0)

    expected, found = epochs_of(lambda _: direct, 2), epochs_of(ours.epoch, 2)

    for one, other in zip(expected, found, strict=True):
        assert [type(batch) for batch in other] == [list] * len(one)
        for batch, same in zip(one, other, strict=True):
            assert all(map(torch.equal, batch, same))
    assert ours.num_batches == len(direct)


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(DATASET, batch_size=16, collate_fn=list),
        DataLoader(DATASET, batch_size=None),
        DataLoader(DATASET, batch_size=16, num_workers=1, worker_init_fn=print),
    ],
)
def test_other_loaders_are_used_as_they_are(loader: Any) -> None:
    assert type(make_batches(loader, batch_size=1, shuffle=True, seed=0)).__name__ == "_LoaderBatches"


def rows_of(batches: Any, number: int) -> list[int]:
    return [int(row) for _, targets in batches.epoch(number) for row in targets]


def test_tensors_are_shuffled_by_seed_and_epoch_alone() -> None:
    def order(seed: int, number: int) -> list[int]:
        batches = make_batches(ArrayExamples(*DATASET.tensors), batch_size=16, shuffle=True, seed=seed)
        return rows_of(batches, number)

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(*at)) for at in ((0, 1), (0, 2), (1, 1))}) == 3
    assert sorted(order(0, 1)) == list(range(ROWS))


def test_tensors_that_are_not_shuffled_keep_their_order() -> None:
    batches = make_batches(ArrayExamples(*DATASET.tensors), batch_size=16, shuffle=False, seed=0)

    assert rows_of(batches, 3) == list(range(ROWS))


def test_a_last_row_alone_joins_the_batch_before_when_training() -> None:
    def sizes(*, shuffle: bool, batch_size: int = 23) -> list[int]:
        batches = make_batches(ArrayExamples(*DATASET.tensors), batch_size=batch_size, shuffle=shuffle, seed=0)
        found = [len(targets) for _, targets in batches.epoch(1)]
        assert batches.num_batches == len(found)
        return found

    assert sizes(shuffle=True) == [23, 23, 24]
    assert sizes(shuffle=False) == [23, 23, 23, 1]
    assert sizes(shuffle=True, batch_size=1) == [1] * ROWS
    assert sizes(shuffle=True, batch_size=100) == [ROWS]


def test_rows_are_gathered_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_batches(ArrayExamples(*DATASET.tensors), batch_size=16, shuffle=True, seed=0)
    monkeypatch.setattr("gradfleet.data.loaders._CHUNK_BYTES", 1)
    chunked = make_batches(ArrayExamples(*DATASET.tensors), batch_size=16, shuffle=True, seed=0)

    assert rows_of(whole, 1) == rows_of(chunked, 1)


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_of_a_mapped_file_are_fresh_and_may_be_changed(tmp_path: Path, *, shuffle: bool) -> None:
    np.save(tmp_path / "images.npy", np.full((ROWS, 1, 2, 2), 7, np.uint8))
    mapped = torch.from_numpy(np.load(tmp_path / "images.npy", mmap_mode="c"))
    batches = make_batches(ArrayExamples(mapped, torch.zeros(ROWS).long()), batch_size=16, shuffle=shuffle, seed=0)

    for inputs, _ in batches.epoch(1):
        assert inputs.dtype == torch.uint8
        inputs.zero_()

    assert (mapped == 7).all()


def test_an_array_that_cannot_be_written_becomes_a_tensor_of_its_own() -> None:
    array = np.zeros(3, np.float32)
    array.flags.writeable = False

    as_tensor(array)[0] = 1

    assert array[0] == 0


def test_numbers_become_what_networks_and_losses_take() -> None:
    assert as_tensor(np.zeros(2)).dtype == torch.float32
    assert as_tensor(np.zeros(2, np.int32)).dtype == torch.int64
    assert as_tensor(np.zeros(2, np.uint8)).dtype == torch.uint8
    assert as_tensor([1, 2]).dtype == torch.int64
    assert as_tensor(torch.zeros(2, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.array(["a", "b"]), "Arrays of numbers are needed"),
        (torch.tensor(1.0), "Rows are needed, got a single number"),
        ("x", "got str"),
        (TensorDataset(torch.zeros(0)), "no rows"),
    ],
)
def test_sources_that_are_no_rows_are_refused(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_batches(source, batch_size=1, shuffle=False, seed=0)


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(SettingError, match="batch size of at least 1 is needed, got 0"):
        make_batches(DATASET, batch_size=0, shuffle=False, seed=0)


def test_a_distributed_sampler_is_told_the_epoch() -> None:
    class Told(SequentialSampler):
        epochs: list[int] = []  # noqa: RUF012

        def set_epoch(self, number: int) -> None:
            self.epochs.append(number)

    batches = make_batches(DataLoader(DATASET, sampler=Told(DATASET)), batch_size=1, shuffle=True, seed=0)
    for number in (1, 2):
        next(iter(batches.epoch(number)))

    assert Told.epochs == [1, 2]


def test_move_keeps_the_shape_of_a_batch() -> None:
    from typing import NamedTuple

    class Named(NamedTuple):
        a: torch.Tensor

    device = torch.device("meta")
    moved = move({"a": torch.ones(1), "b": [torch.ones(1), (torch.ones(1), 3)], "c": Named(torch.ones(1))}, device)

    assert moved["a"].is_meta
    assert moved["b"][1][0].is_meta
    assert moved["b"][1][1] == 3
    assert isinstance(moved["c"], Named)
    assert moved["c"].a.is_meta


def test_a_plain_source_is_the_training_part() -> None:
    split = split_of(DATASET, validation=(1, 2))

    assert split.train is DATASET
    assert split.validation == (1, 2)
    assert split.facts is None
