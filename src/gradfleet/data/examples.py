"""Examples held as tensors: the form that the loop reads fastest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gradfleet.errors import DataError


@dataclass(frozen=True, slots=True)
class ArrayExamples:
    """Rows of inputs and targets, in memory or memory-mapped.

    Attributes:
        inputs: shape (rows, ...).
        targets: shape (rows,) class numbers, or (rows, outputs).
    """

    inputs: torch.Tensor
    targets: torch.Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise DataError(
                f"Inputs and targets need as many rows as each other, got {len(self.inputs)} and {len(self.targets)}."
            )

    def __len__(self) -> int:
        return len(self.inputs)

    @classmethod
    def of(cls, inputs: Any, targets: Any) -> ArrayExamples:
        """Examples of tensors, arrays or lists; see `as_tensor` for what becomes of their numbers' types."""
        return cls(as_tensor(inputs), as_tensor(targets))


def as_tensor(values: Any) -> torch.Tensor:
    """A tensor of rows from a tensor, an array or a list.

    NumPy's float64 becomes float32, which is what networks are made of, and signed integers become int64, which is
    what losses take. Tensors are left as they are.

    Raises:
        DataError: the values are no rows of numbers.
    """
    if isinstance(values, torch.Tensor):
        return _with_rows(values)
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise DataError(f"Arrays of numbers are needed, got one of type {array.dtype}.")
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype.kind == "i":
        array = array.astype(np.int64)
    # A tensor over a read-only array would be writable all the same, so it gets memory of its own.
    return _with_rows(torch.from_numpy(array if array.flags.writeable else array.copy()))


def _with_rows(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.dim() == 0:
        raise DataError("Rows are needed, got a single number.")
    return tensor
