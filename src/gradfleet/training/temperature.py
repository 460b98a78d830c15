"""Temperature scaling: probabilities that are as often right as they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from gradfleet.data.prepared import Kind
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context

CALIBRATED: tuple[Kind, ...] = ("multiclass", "binary", "multilabel")
"""The kinds of problem that have probabilities."""

_MOST_ROWS = 5_000  # from which a number is found as well as from more, and in a fraction of a second
_COLDEST, _HOTTEST = 0.05, 20.0
_STEPS = 60
_SURE = 1e-12  # the least probability


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes probabilities of raw outputs as often right as they say, and how good they are then.

    Attributes:
        temperature: what raw outputs are divided by; 1.0 for what is no classification.
        loss: of the divided outputs, the cross-entropy of held-out targets that keep a doubt; None for what is no
            classification. It tells models apart that are right as often, and does not praise one for being sure.
    """

    temperature: float = 1.0
    loss: float | None = None


def fit_temperature(
    outputs: torch.Tensor, targets: torch.Tensor, kind: Kind | None, *, are_probabilities: bool = False
) -> Calibration:
    """The temperature by which held-out targets are most likely (Guo et al., 2017, arXiv:1706.04599).

    The negative log-likelihood has one minimum in the temperature's logarithm, which golden sections close in on. No
    prediction changes. Of outputs that are probabilities already only the loss is measured.

    Of n rows that are all right nobody knows that the next one is: by the rule of succession it is wrong once in n + 2,
    so that each target is taken to be that likely another (Platt, 1999, Probabilistic outputs for support vector
    machines, does the same). Without it the temperature of classes that are told apart would run to 0.
    """
    if kind not in CALIBRATED or not torch.isfinite(outputs).all():
        return Calibration()
    some = slice(None, None, max(1, -(-len(outputs) // _MOST_ROWS)))
    outputs, targets = outputs[some].double().cpu(), targets[some].cpu()

    another = 1 / (len(outputs) + 2)
    if kind == "multiclass":
        num_classes = outputs.shape[1]
        smoothing = min(1.0, another * num_classes / max(1, num_classes - 1))
    else:
        likely = another + (1 - 2 * another) * targets.double().reshape(outputs.shape)

    def loss(log: float) -> float:
        scaled = outputs / torch.tensor(log, dtype=torch.float64).exp()
        if kind == "multiclass":
            return float(functional.cross_entropy(scaled, targets, label_smoothing=smoothing))
        return float(functional.binary_cross_entropy_with_logits(scaled, likely))

    if are_probabilities:
        outputs = outputs.clamp(_SURE, 1 - _SURE)
        outputs = outputs.log() if kind == "multiclass" else outputs.logit()
        return Calibration(1.0, loss(0.0))
    low, high = torch.tensor([_COLDEST, _HOTTEST]).log().tolist()
    golden = (5**0.5 - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(_STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(right)
    middle = (low + high) / 2
    return Calibration(float(torch.tensor(middle).exp()), loss(middle))


class TemperatureScaling(Callback):
    """Keeps the outputs of each validation pass, which `calibration` is fitted to."""

    def __init__(self) -> None:
        self._outputs: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []
        self._kind: Any = None
        self._are_probabilities = False
        self._found: Calibration | None = None

    def on_validation_start(self, context: Context) -> None:
        self._outputs, self._targets, self._kind = [], [], context.model.kind
        self._are_probabilities = context.model.problem.outputs_are_probabilities
        self._found = None

    def on_validation_batch_end(self, context: Context) -> None:
        if isinstance(context.outputs, torch.Tensor):
            self._outputs.append(context.outputs.detach())
            self._targets.append(context.batch[-1])

    @property
    def calibration(self) -> Calibration:
        """Of the last validation pass; the default before the first."""
        if self._found is None and self._outputs:
            outputs, targets = torch.cat(self._outputs), torch.cat(self._targets)
            self._found = fit_temperature(outputs, targets, self._kind, are_probabilities=self._are_probabilities)
        return self._found or Calibration()
