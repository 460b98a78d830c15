"""A batch in parts, and their results as those of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch

from gradfleet.training.step import Step, num_rows


def split(batch: Any, number: int) -> list[tuple[Any, int]]:
    """At most `number` parts, as equal as can be, because batch normalisation takes no single row; each with its rows.

    Every tensor with as many rows as the batch is split, wherever in tuples, lists and dicts it lies; anything else is
    in every part.
    """
    total = num_rows(batch)
    if number <= 1 or total <= 1:
        return [(batch, total)]
    number = -(-total // -(-total // number))  # as few as serve: 6 rows in 4 parts are 2, 2 and 2
    ends = [total * part // number for part in range(number + 1)]
    return [(_rows(batch, start, end, total), end - start) for start, end in pairwise(ends)]


def rows(batch: Any, start: int, end: int) -> Any:
    """The rows from `start` to before `end`."""
    return _rows(batch, start, end, num_rows(batch))


def _rows(batch: Any, start: int, end: int, of: int) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch[start:end] if batch.dim() and batch.shape[0] == of else batch
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_rows(part, start, end, of) for part in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(_rows(part, start, end, of) for part in batch)
    if isinstance(batch, Mapping):
        return {key: _rows(part, start, end, of) for key, part in batch.items()}
    return batch


def join(done: Sequence[tuple[Any, float, Step]]) -> tuple[Any, torch.Tensor | None]:
    """Outputs and loss of the whole batch, of its parts' rows, share and step each.

    The outputs are the last part's where they are no tensors.
    """
    if len(done) == 1:
        return done[0][2].outputs, done[0][2].loss
    outputs = [step.outputs for _, _, step in done]
    together = torch.cat(outputs) if all(isinstance(one, torch.Tensor) for one in outputs) else outputs[-1]
    losses = [step.loss.detach() * share for _, share, step in done if step.loss is not None]
    return together, torch.stack(losses).sum() if losses else None
