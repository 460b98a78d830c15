"""Accuracy as an exact fraction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradfleet.training.metrics.epoch_metrics import EpochMetric
from gradfleet.training.metrics.predictions import Predictions


class ExactAccuracy(EpochMetric):
    """The share of right answers: of rows, or of all labels of all rows for "multilabel".

    torchmetrics' own divides in single precision, so that 23 of 40 would be recorded as 0.574999988, and making one
    costs as much as a step of a small network.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self._right = 0
        self._total = 0

    def update(self, predictions: Predictions) -> None:
        targets = predictions.targets
        if targets.is_floating_point():  # a probability for each class, or 0.0 and 1.0 for each label
            targets = targets.argmax(dim=1) if predictions.kind == "multiclass" else targets > 0.5
        self._right += int((predictions.classes == targets).sum())
        self._total += targets.numel()

    def compute(self) -> Mapping[str, float]:
        return {self.names[0]: self._right / self._total}

    def state(self) -> dict[str, Any]:
        return {"right": self._right, "total": self._total}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._right, self._total = state["right"], state["total"]
