"""Accuracy as an exact fraction."""

from __future__ import annotations

from typing import Any

import torch
import torchmetrics


class ExactAccuracy(torchmetrics.Metric):
    """The share of right answers, divided in double precision.

    torchmetrics' own divides in single precision, so that 23 of 40 would be recorded as 0.574999988. It takes
    probabilities: of each class (a column a class, the largest counts), or of each label (above a half counts).
    """

    full_state_update = False
    right: torch.Tensor
    total: torch.Tensor

    def __init__(self, *, by_class: bool) -> None:
        super().__init__()
        self._by_class = by_class
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, probabilities: torch.Tensor, targets: torch.Tensor) -> None:
        predicted = probabilities.argmax(dim=1) if self._by_class else probabilities > 0.5
        if targets.is_floating_point():  # a probability for each class, or 0.0 and 1.0 for each label
            targets = targets.argmax(dim=1) if self._by_class else targets > 0.5
        self.right += (predicted == targets).sum()
        self.total += targets.numel()

    def compute(self) -> Any:
        return self.right.double() / self.total
