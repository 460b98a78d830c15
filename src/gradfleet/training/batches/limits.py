"""Fewer or more batches in an epoch than the data has, or none from data at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import torch

from gradfleet.data.loaders import Batches
from gradfleet.training.state.seeding import seed_everything, untouched_generators


class NoData(Batches):
    """Steps that need no data: every batch is None."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    @property
    def num_batches(self) -> int:
        return self._steps

    def epoch(self, number: int) -> Iterator[None]:
        return iter([None] * self._steps)


class _Of(Batches):
    """Batches of other batches."""

    def __init__(self, batches: Batches, number: int) -> None:
        self._batches = batches
        self._number = number

    def targets(self) -> torch.Tensor | None:
        return self._batches.targets()

    def state(self) -> dict[str, torch.Tensor]:
        return self._batches.state()

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        self._batches.load_state(state)


class AtMost(_Of):
    """The first batches of every epoch."""

    @property
    def num_batches(self) -> int | None:
        all_of_them = self._batches.num_batches
        return None if all_of_them is None else min(all_of_them, self._number)

    def epoch(self, number: int) -> Iterator[Any]:
        return islice(self._batches.epoch(number), self._number)


class Exactly(_Of):
    """So many batches in every epoch: fewer than the data has, or the data again and again."""

    @property
    def num_batches(self) -> int:
        return self._number

    def epoch(self, number: int) -> Iterator[Any]:
        return islice(self._again_and_again(number), self._number)

    def _again_and_again(self, number: int) -> Iterator[Any]:
        found = True
        while found:
            found = False
            for batch in self._batches.epoch(number):
                found = True
                yield batch


class Same(_Of):
    """The same few batches in every epoch, those that the first epoch of this seed begins with."""

    def __init__(self, batches: Batches, number: int, seed: int) -> None:
        super().__init__(batches, number)
        self._seed = seed
        self._kept: list[Any] = []

    @property
    def num_batches(self) -> int | None:
        return len(self._kept) or AtMost(self._batches, self._number).num_batches

    def epoch(self, number: int) -> Iterator[Any]:
        if not self._kept:
            with untouched_generators():
                seed_everything(self._seed, 1)
                self._kept = list(islice(self._batches.epoch(1), self._number))
        return map(_copy, self._kept)


def _copy(batch: Any) -> Any:
    """A callback may change a batch in place."""
    if isinstance(batch, torch.Tensor):
        return batch.clone()
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(_copy, batch))
    if isinstance(batch, list | tuple):
        return type(batch)(map(_copy, batch))
    if isinstance(batch, Mapping):
        return {key: _copy(part) for key, part in batch.items()}
    return batch
