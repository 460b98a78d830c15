"""Running out of memory, and how many rows go through the networks at once after it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import torch

from gradfleet.errors import TooLargeError
from gradfleet.training.batches import parts
from gradfleet.training.step import num_rows

_R = TypeVar("_R")

# What torch says where it raises no OutOfMemoryError: its CPU allocator, other devices, cuBLAS.
_SIGNS = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


class Part(NamedTuple, Generic[_R]):
    """What was made of some rows of a batch.

    Attributes:
        share: of the batch's rows.
    """

    rows: Any
    share: float
    result: _R


@dataclass(slots=True)
class MicroBatch:
    """How many rows of a batch go through the networks at once: all of them until memory runs out, then ever fewer.

    Attributes:
        rows: at most; None for whole batches.
        whole_only: whether a batch is never split, because other processes would have to split theirs.
    """

    rows: int | None = None
    whole_only: bool = False

    def run(
        self,
        batch: Any,
        function: Callable[[Any, float], _R],
        *,
        least: int = 1,
        again: Callable[[], None] = lambda: None,
    ) -> list[Part[_R]]:
        """What `function` makes of the parts of a batch, given each one's rows and their share of all.

        Args:
            least: into how many parts the batch is split anyway.
            again: undoes what `function` has done, before all of it is done again in smaller parts.

        Raises:
            TooLargeError: memory runs out with a single row too.
        """
        while True:
            try:
                if self.rows is None and least == 1:
                    return [Part(batch, 1.0, function(batch, 1.0))]
                return self._run_split(batch, function, least)
            except (RuntimeError, MemoryError) as error:
                if self.whole_only or not is_out_of_memory(error):
                    raise
                self._halve(batch, least, error)
            # Outside of the handler: its traceback keeps the tensors that are to be freed.
            again()
            free_memory()

    def _run_split(self, batch: Any, function: Callable[[Any, float], _R], least: int) -> list[Part[_R]]:
        pieces = parts.split(batch, self._num_parts(batch, least))
        total = sum(size for _, size in pieces)
        return [Part(piece, size / total, function(piece, size / total)) for piece, size in pieces]

    def _num_parts(self, batch: Any, least: int) -> int:
        return least if self.rows is None else max(least, -(-num_rows(batch) // self.rows))

    def _halve(self, batch: Any, least: int, error: BaseException) -> None:
        tried = max(size for _, size in parts.split(batch, self._num_parts(batch, least)))
        if tried <= 1:
            raise TooLargeError(
                "Memory runs out with a single row at a time too; take a smaller network or smaller inputs."
            ) from error
        self.rows = tried // 2
        warnings.warn(
            f"Memory ran out with {tried} rows at once. From now on at most {self.rows} go through the network at "
            "once, and what they give is added up: batches and steps stay what they are.",
            RuntimeWarning,
            stacklevel=2,
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is memory that ran out, on whatever device."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)
    )


def free_memory() -> None:
    """Give back what nobody refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
