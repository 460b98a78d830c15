"""A batch in parts, and their results as those of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from gradfleet.training.step import Step, num_rows


def split(batch: Any, number: int) -> list[tuple[Any, int]]:
    """At most `number` parts of equal rows (the last may be shorter), each with how many it has.

    Every tensor with as many rows as the batch is split, wherever in tuples, lists and dicts it lies; anything else is
    in every part.
    """
    total = num_rows(batch)
    size = -(-total // number)
    if size >= total:
        return [(batch, total)]
    return [
        (_rows(batch, start, min(start + size, total), total), min(size, total - start))
        for start in range(0, total, size)
    ]


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


def join(steps: Sequence[Step], sizes: Sequence[int]) -> tuple[Any, torch.Tensor | None]:
    """Outputs and loss of the whole batch; the last part's outputs where they are no tensors."""
    outputs = [step.outputs for step in steps]
    together = torch.cat(outputs) if all(isinstance(one, torch.Tensor) for one in outputs) else outputs[-1]
    losses = [step.loss.detach() * size for step, size in zip(steps, sizes, strict=True) if step.loss is not None]
    return together, torch.stack(losses).sum() / sum(sizes) if losses else None
