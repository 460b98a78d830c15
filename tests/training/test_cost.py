"""What the loop costs beside its arithmetic, counted in calls and bytes: both are the same on every machine."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.peers.trainers import by_hand
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.model import Model

BATCHES = 20


class Rows(torch.utils.data.Dataset[Any]):
    """Not a TensorDataset: its DataLoader has to be used as it is."""

    def __len__(self) -> int:
        return BATCHES * 8

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.ones(4) * row, torch.tensor(row % 2)


def calls_of(epoch: Callable[[], object]) -> int:
    """How many Python functions a second epoch calls for each batch."""
    epoch()
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        epoch()
    finally:
        sys.setprofile(None)
    return calls // BATCHES


def epochs_of(data: Any, *callbacks: Callback) -> Iterator[object]:
    model = Model(nn.Linear(4, 2)).compile("cross_entropy", optimizer="adamw")
    return model.epochs(data, epochs=10**6, batch_size=8, callbacks=callbacks)


@pytest.mark.row("UX6")
def test_a_batch_costs_few_calls_more_than_in_a_loop_by_hand() -> None:
    ours = epochs_of(DataLoader(Rows(), batch_size=8, shuffle=True))

    extra = calls_of(lambda: next(ours)) - calls_of(by_hand(nn.Linear(4, 2), Rows(), 8, plain=True))

    assert extra <= 40  # a call takes about 0.1 us, a step of a small network hundreds


@pytest.mark.row("UX6")
def test_rows_that_are_given_as_tensors_cost_fewer_calls_than_a_loop_by_hand() -> None:
    data = torch.ones(BATCHES * 8, 4), torch.arange(BATCHES * 8) % 2
    ours = epochs_of(data)

    assert calls_of(lambda: next(ours)) < calls_of(by_hand(nn.Linear(4, 2), Rows(), 8, plain=True))


@pytest.mark.row("UX6")
def test_callbacks_that_listen_to_nothing_cost_a_batch_no_call() -> None:
    data = torch.ones(BATCHES * 8, 4), torch.arange(BATCHES * 8) % 2
    alone, among = epochs_of(data), epochs_of(data, *(Callback() for _ in range(8)))

    assert calls_of(lambda: next(among)) == calls_of(lambda: next(alone))


def test_memory_does_not_grow_with_the_epochs() -> None:
    ours = epochs_of((torch.ones(BATCHES * 8, 4), torch.arange(BATCHES * 8) % 2))
    for _ in range(5):
        next(ours)
    tracemalloc.start()
    for _ in range(5):
        next(ours)
    before = traced()

    for _ in range(40):
        next(ours)

    grown = traced() - before
    tracemalloc.stop()
    assert grown < 40 * 1024  # the epochs' records


def traced() -> int:
    """Bytes that our files hold; PyTorch frees tensors where tracemalloc does not see it."""
    ours = tracemalloc.Filter(inclusive=True, filename_pattern="*/gradfleet/*")
    found = tracemalloc.take_snapshot().filter_traces([ours])
    return sum(each.size for each in found.statistics("filename"))
