"""Temperature scaling: probabilities that are as often right as they say."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from gradfleet.data.prepared import Kind
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context

_COLDEST, _HOTTEST = 0.05, 20.0
_STEPS = 60


def fit_temperature(outputs: torch.Tensor, targets: torch.Tensor, kind: Kind | None) -> float:
    """What raw outputs are divided by so that held-out targets are most likely (Guo et al., 2017, arXiv:1706.04599).

    The negative log-likelihood has one minimum in the temperature's logarithm, which golden sections close in on. No
    prediction changes. 1.0 for what is no classification.

    Of n rows that are all right nobody knows that the next one is: by the rule of succession it is wrong once in n + 2,
    so that each target is taken to be that likely another (Platt, 1999, Probabilistic outputs for support vector
    machines, does the same). Without it the temperature of classes that are told apart would run to 0.
    """
    if kind not in ("multiclass", "binary", "multilabel") or not torch.isfinite(outputs).all():
        return 1.0
    outputs = outputs.double().cpu()
    targets = targets.cpu()

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
    return float(torch.tensor((low + high) / 2).exp())


class TemperatureScaling(Callback):
    """Keeps the outputs of each validation pass, from which `value` is fitted."""

    def __init__(self) -> None:
        self._outputs: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []
        self._kind: Any = None

    def on_validation_start(self, context: Context) -> None:
        self._outputs, self._targets, self._kind = [], [], context.model.kind

    def on_validation_batch_end(self, context: Context) -> None:
        if isinstance(context.outputs, torch.Tensor):
            self._outputs.append(context.outputs.detach())
            self._targets.append(context.batch[-1])

    def value(self) -> float:
        """The temperature of the last validation pass; 1.0 before the first."""
        if not self._outputs:
            return 1.0
        return fit_temperature(torch.cat(self._outputs), torch.cat(self._targets), self._kind)
