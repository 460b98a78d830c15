"""Examples held as tensors: the form that the loop reads fastest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gradfleet.data.language import TextInputs, TextTargets
from gradfleet.data.rows_by_name import RowsByName
from gradfleet.errors import DataError, SettingError


@dataclass(frozen=True, slots=True)
class NamedInputs:
    """Several tensors of the same rows, handed to the network by name."""

    tensors: Mapping[str, torch.Tensor]

    def __post_init__(self) -> None:
        lengths = {name: len(tensor) for name, tensor in self.tensors.items()}
        if len(set(lengths.values())) != 1:
            raise DataError(f"Inputs by name need as many rows as each other, got {lengths}.")

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def take(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: tensor.index_select(0, rows) for name, tensor in self.tensors.items()}


Inputs = torch.Tensor | NamedInputs | TextInputs
Targets = torch.Tensor | TextTargets


@dataclass(frozen=True, slots=True)
class ArrayExamples:
    """Rows of inputs and targets, in memory or memory-mapped.

    Attributes:
        inputs: a tensor of shape (rows, ...), or rows that give a batch as a dict of tensors.
        targets: shape (rows,) class numbers, or (rows, outputs), or texts to be written.
        weights: how often a row is drawn against others, when batches are shuffled; an epoch draws as many rows as
            there are, with replacement. None takes every row once.
    """

    inputs: Inputs | RowsByName
    targets: Targets
    weights: torch.Tensor | None = None

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
        return cls(as_inputs(inputs), as_tensor(targets))

    def seen_as(self, view: str) -> ArrayExamples:
        """The same texts in the tokens of another tokenizer of their preparation.

        Raises:
            SettingError: there is no such view, or these are no texts.
        """
        if not isinstance(self.inputs, TextInputs):
            raise SettingError(
                f"Only texts are seen through a tokenizer; these inputs are {type(self.inputs).__name__}."
            )
        targets = self.targets.seen_as(view) if isinstance(self.targets, TextTargets) else self.targets
        return replace(self, inputs=self.inputs.seen_as(view), targets=targets)


def as_inputs(values: Any) -> Inputs:
    """Inputs as they are, or a tensor of rows from an array or a list; a dict of them by name."""
    if isinstance(values, NamedInputs | TextInputs):
        return values
    if isinstance(values, Mapping):
        return NamedInputs({str(name): as_tensor(one) for name, one in values.items()})
    return as_tensor(values)


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
