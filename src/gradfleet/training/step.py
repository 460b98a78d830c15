"""What one step over one batch gives, and how a batch is taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from gradfleet.errors import DataError, SettingError

_TARGET_KEYS = ("labels", "label", "targets", "target")


class Step(NamedTuple):
    """The result of `training_step` and `validation_step`.

    Attributes:
        loss: one number; None when the step has done its own backward passes.
        outputs: the network's outputs with the rows first; without them no metric is computed.
        targets: beside the outputs.
    """

    loss: torch.Tensor | None
    outputs: Any = None
    targets: Any = None


def as_step(result: Any) -> Step:
    """A Step from what a user's own step returned: a Step, a loss, or None.

    Raises:
        SettingError: it is none of these, or the loss is not one number.
    """
    step = Step(result) if result is None or isinstance(result, torch.Tensor) else result
    if not isinstance(step, Step):
        raise SettingError(
            f"A step returns a loss, a Step(loss, outputs, targets) or None, got {type(result).__name__}."
        )
    if step.loss is not None and step.loss.numel() != 1:
        raise SettingError(f"A loss must be one number, got a tensor of shape {tuple(step.loss.shape)}; take its mean.")
    return step


def split_batch(batch: Any) -> tuple[Any, Any]:
    """Inputs and targets of a batch: the last part of a tuple, or what a dict has under "labels" or "targets".

    Raises:
        DataError: the batch is neither.
    """
    if isinstance(batch, tuple | list) and len(batch) >= 2:
        return (batch[0] if len(batch) == 2 else tuple(batch[:-1])), batch[-1]
    if isinstance(batch, Mapping):
        for key in _TARGET_KEYS:
            if key in batch:
                return {name: part for name, part in batch.items() if name != key}, batch[key]
        raise DataError(f"A batch of names needs one of {', '.join(_TARGET_KEYS)}; it has {', '.join(batch)}.")
    alone = isinstance(batch, torch.Tensor) or (isinstance(batch, tuple | list) and len(batch) == 1)
    hint = "Targets go with their inputs in one tuple: fit((inputs, targets)). " if alone else ""
    raise DataError(
        f"A batch must be a tuple (inputs, targets) or a dict with 'labels', got {_describe(batch)}. {hint}"
        "For another shape override training_step and validation_step."
    )


def inputs_of(batch: Any) -> Any:
    """The inputs of a batch that may have targets or not."""
    if isinstance(batch, torch.Tensor):
        return batch
    if isinstance(batch, tuple | list) and len(batch) == 1:
        return batch[0]
    if isinstance(batch, Mapping) and not any(key in batch for key in _TARGET_KEYS):
        return batch
    return split_batch(batch)[0]


def call(network: nn.Module, inputs: Any) -> Any:
    """The network's outputs: a tuple is passed as arguments, a dict by name; `.logits` is taken where there is one.

    A uint8 tensor is an image's pixels 0..255, held small; the network gets floats 0..1. What the network raises says
    which inputs it was given.
    """
    try:
        if isinstance(inputs, torch.Tensor):
            outputs = network(inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs)
        elif isinstance(inputs, Mapping):
            outputs = network(**inputs)
        else:
            outputs = network(*inputs) if isinstance(inputs, tuple) else network(inputs)
    except Exception as error:
        error.add_note(f"Raised by the network {type(network).__name__}, given {_describe(inputs)}.")
        raise
    return outputs if isinstance(outputs, torch.Tensor) else getattr(outputs, "logits", outputs)


def num_rows(batch: Any) -> int:
    """The rows of the first tensor in a batch; 1 where there is none."""
    if isinstance(batch, torch.Tensor):
        return batch.shape[0] if batch.dim() else 1
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else ()
    return next((num_rows(part) for part in parts), 1)


def _describe(batch: Any) -> str:
    if isinstance(batch, torch.Tensor):
        return f"a tensor of shape {tuple(batch.shape)}"
    return f"a {type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else f"a {type(batch).__name__}"
