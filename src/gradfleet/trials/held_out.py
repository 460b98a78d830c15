"""What a trial's model said of the validation rows, kept beside its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import safetensors
import safetensors.torch
import torch

from gradfleet.data.loaders import make_batches
from gradfleet.data.prepared import Kind
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context
from gradfleet.training.model import Model
from gradfleet.training.processes import processes
from gradfleet.training.step import split_batch
from gradfleet.trials.predictor import ModelPredictor

FILE = "held_out.safetensors"

MOST_NUMBERS = 2**22
"""Outputs and targets together that are kept at most, 16 MB; of more rows than that nothing is."""

KINDS: tuple[Kind, ...] = ("binary", "multiclass", "multilabel", "regression")
"""The kinds of problem whose outputs have a row for each row of the data."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Outputs and targets of all validation rows, in the rows' order.

    Attributes:
        outputs: as the network gave them.
    """

    outputs: torch.Tensor
    targets: torch.Tensor

    @classmethod
    def of(cls, predictor: ModelPredictor, validation: object) -> Self:
        """What a model says of labelled data now; `validation` is what `evaluate` takes."""
        examples = predictor.examples(validation)
        outputs = predictor.model.predict(examples, batch_size=predictor.batch_size)
        return cls(outputs.float(), targets_of(examples))

    @classmethod
    def read(cls, checkpoint: Path) -> Self | None:
        """What was kept beside a checkpoint; None where nothing was, or it cannot be read."""
        try:
            found = safetensors.torch.load_file(checkpoint / FILE)
        except (OSError, safetensors.SafetensorError):
            return None
        return cls(found["outputs"], found["targets"])

    def write(self, checkpoint: Path) -> None:
        tensors = {"outputs": self.outputs.contiguous(), "targets": self.targets.contiguous()}
        safetensors.torch.save_file(tensors, checkpoint / FILE)


def targets_of(examples: Any) -> torch.Tensor:
    """All targets of labelled examples, in order."""
    batches = make_batches(examples, batch_size=256, shuffle=False, seed=0).epoch(0)
    return torch.cat([torch.as_tensor(split_batch(batch)[1]).cpu() for batch in batches])


class KeepHeldOut(Callback):
    """Remembers the outputs of the last validation, until there are more numbers than `most`.

    Nothing is copied and nothing is asked of the device before somebody wants them.
    """

    priority = 79  # after all that may change outputs
    may_log = False

    def __init__(self, most: int = MOST_NUMBERS) -> None:
        self._most = most
        self._forget()

    @property
    def found(self) -> HeldOut | None:
        """Those of all validation rows; None where there were too many, or they are not a row each."""
        if not self._outputs:
            return None
        outputs, targets = torch.cat(self._outputs), torch.cat(self._targets)
        if len(outputs) != len(targets):
            return None
        return HeldOut(outputs.float().cpu(), targets.cpu())

    def on_validation_start(self, context: Context) -> None:
        self._forget()

    def on_validation_batch_end(self, context: Context) -> None:
        if self._numbers > self._most:
            return
        outputs, targets = context.outputs, split_batch(context.batch)[1]
        if not self._can_be_kept(context.model, outputs, targets):
            self._forget(numbers=self._most + 1)
            return
        self._numbers += outputs.numel() + targets.numel()
        if self._numbers > self._most:
            self._forget(numbers=self._numbers)
            return
        self._outputs.append(outputs.detach())
        self._targets.append(targets)

    def _can_be_kept(self, model: Model, outputs: object, targets: object) -> bool:
        tensors = isinstance(outputs, torch.Tensor) and isinstance(targets, torch.Tensor)
        return tensors and model.problem.kind in KINDS and processes() is None  # one of several sees its share only

    def _forget(self, *, numbers: int = 0) -> None:
        self._numbers = numbers
        self._outputs: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []
