"""Whether an export gives what was recorded: its outputs as metrics, beside the study's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gradfleet.data.examples import ArrayExamples
from gradfleet.data.loaders import make_batches
from gradfleet.errors import ExportError
from gradfleet.training.data_network import DataNetwork
from gradfleet.training.evaluation import evaluate
from gradfleet.training.metrics.meter import Meter
from gradfleet.training.model import Model
from gradfleet.training.step import Step, split_batch

INPUTS = "inputs"
"""What the only tensor of a network that takes one is called."""

CLOSE = 1e-3
"""How far a score may be from the recorded one where arithmetic differs: another device, other threads, ONNX."""


@dataclass(frozen=True, slots=True)
class Score:
    """What an export reached in a clean process, beside what the search recorded.

    Attributes:
        metric: the objective's, by its plain name.
        num_rows: of the validation data that it was measured on.
    """

    metric: str
    recorded: float
    measured: float
    num_rows: int

    @property
    def loss(self) -> float:
        """How far the two are apart."""
        return abs(self.measured - self.recorded)

    def require_within(self, allowed: float, advice: str) -> None:
        """Refuse a score that is further off; a single row of the data may always come out otherwise.

        Raises:
            ExportError: with both scores.
        """
        if not self.loss <= max(allowed, 1.01 / self.num_rows):  # also refuses NaN
            raise ExportError(
                f"The export gives {self.metric} {self.measured:.4f} in a new process, and the search recorded "
                f"{self.recorded:.4f}; at most {allowed:g} apart is allowed. {advice}".rstrip()
            )


def rows_of(part: Any, network: nn.Module) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """All inputs of prepared validation data by name, as the network reads them, and all targets.

    A network that takes one tensor has it under INPUTS; texts are padded to the longest of them all.

    Raises:
        ExportError: inputs or targets are no tensors.
    """
    if isinstance(network, DataNetwork) and isinstance(part, ArrayExamples):
        part = network.seen(part)
    if isinstance(part, ArrayExamples) and not isinstance(part.inputs, torch.Tensor):
        if not isinstance(part.targets, torch.Tensor):
            raise ExportError('What a network writes cannot be checked here; use format="bundle".')
        return part.inputs.take(torch.arange(len(part))), part.targets
    batches = [split_batch(batch) for batch in make_batches(part, batch_size=256, shuffle=False, seed=0).epoch(0)]
    inputs, targets = zip(*batches, strict=True)
    if not all(isinstance(one, torch.Tensor) for one in (*inputs, *targets)):
        raise ExportError('Inputs and targets of one tensor each can be exported; use format="bundle" for others.')
    return {INPUTS: torch.cat(inputs)}, torch.cat(targets)


def metrics_of(model: Model, outputs: torch.Tensor, targets: torch.Tensor) -> Mapping[str, float]:
    """The metrics that the model was compiled with, of outputs that another runtime computed."""
    meter = Meter(model.problem, keep_predictions=True)
    meter.add(Step(model.problem.compute_loss(outputs, targets), outputs, targets), (outputs, targets))
    return evaluate(meter)
