"""Rows that a model is measured on and was trained on: found by their bytes, as both are prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gradfleet.data.examples import ArrayExamples
from gradfleet.data.fingerprint import of_bytes
from gradfleet.data.language import TextInputs
from gradfleet.data.prepared import OBJECTS, read_prepared
from gradfleet.errors import ExecutionError

_LOOKED_AT = 4096  # bytes in the middle of a row, a page of the disk; rows that are alike there are read whole


def said_of_trained(examples: Any, place: Path | None) -> tuple[str, ...]:
    """The sentence that some of the examples were trained on; none where that cannot be known.

    Args:
        examples: prepared as the training data was.
        place: the prepared folder of that; None where nobody knows it.
    """
    trained = None if place is None else _trained_inputs(place)
    if trained is None or not isinstance(examples, ArrayExamples):
        return ()
    both = num_both(examples.inputs, trained)
    occur = "occurs" if both == 1 else "occur"
    said = (
        f"{both:,} of these {len(examples):,} rows {occur} among those that the model was trained on, so it looks "
        "better than it is."
    )
    return (said,) if both else ()


def num_both(inputs: Any, others: Any) -> int:
    """How many rows of `inputs` are among `others`; none of what is neither a tensor nor texts."""
    rows, known = _Rows.of(inputs), _Rows.of(others)
    if rows is None or known is None:
        return 0
    middles = {rows.middle(number) for number in range(len(rows))}
    alike = {of_bytes(known.row(number)) for number in range(len(known)) if known.middle(number) in middles}
    return sum(of_bytes(rows.row(number)) in alike for number in range(len(rows))) if alike else 0


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows as bytes, one after the other; what is mapped from a file is read as far as it is looked at.

    Attributes:
        offsets: where each row begins; one more than rows, the last is where the last row ends.
    """

    content: memoryview
    offsets: Sequence[int]

    @classmethod
    def of(cls, inputs: Any) -> _Rows | None:
        if isinstance(inputs, TextInputs):
            texts = inputs.texts.rows
            return cls(texts.values.numpy().data, texts.offsets.tolist())
        if isinstance(inputs, torch.Tensor) and inputs.numel():
            values = inputs.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            return cls(values.numpy().data, range(0, len(values) + 1, len(values) // len(inputs)))
        return None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, number: int) -> memoryview:
        return self.content[self.offsets[number] : self.offsets[number + 1]]

    def middle(self, number: int) -> bytes:
        row = self.row(number)
        start = max(0, (len(row) - _LOOKED_AT) // 2)
        return bytes(row[start : start + _LOOKED_AT])


def _trained_inputs(place: Path) -> Any:
    """The inputs of the rows that a prepared folder has for training; None where it is gone, or has none as arrays."""
    if (place / OBJECTS).exists():  # objects of the user's own, which are not to be loaded for this
        return None
    try:
        train = read_prepared(place).train
    except ExecutionError:
        return None
    return train.inputs if isinstance(train, ArrayExamples) else None
