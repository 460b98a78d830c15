"""A metric over one pass of the data: fed with predictions, asked once at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gradfleet.training.metrics.predictions import Predictions

if TYPE_CHECKING:
    import torchmetrics

MetricFunction = Callable[[torch.Tensor, torch.Tensor], "torch.Tensor | float"]


class EpochMetric(ABC):
    """One metric, or several that are computed together.

    Attributes:
        names: what its numbers are called, in order.
        in_parts: whether it may be fed a part at a time; otherwise `update` comes once, with all rows.
    """

    in_parts: bool = True

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    @abstractmethod
    def update(self, predictions: Predictions) -> None:
        """Take more rows in."""

    @abstractmethod
    def compute(self) -> Mapping[str, float]:
        """The numbers over all rows, by name."""

    def state(self) -> dict[str, Any]:
        """What the rows so far have left, as numbers and tensors; needed of metrics that are fed in parts."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027  # most are fed once, at the end
        """Go on from what `state` returned."""


class TorchMetric(EpochMetric):
    """A torchmetrics metric or collection. For classification it is given probabilities, for regression outputs."""

    def __init__(self, names: Sequence[str], metric: torchmetrics.Metric | torchmetrics.MetricCollection) -> None:
        super().__init__(names)
        self._metric = metric

    def update(self, predictions: Predictions) -> None:
        values = predictions.probabilities
        self._metric.to(values.device).update(values.contiguous(), predictions.targets.contiguous())

    def compute(self) -> Mapping[str, float]:
        result = self._metric.compute()
        values = list(result.values()) if isinstance(result, dict) else [result]
        return dict(zip(self.names, map(as_number, values), strict=True))

    def state(self) -> dict[str, Any]:
        return {name: {"count": one.update_count, **one.metric_state} for name, one in self._each().items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for name, one in self._each().items():
            for key, value in state[name].items():
                setattr(one, "_update_count" if key == "count" else key, value)

    def _each(self) -> dict[str, torchmetrics.Metric]:
        from torchmetrics import MetricCollection

        if isinstance(self._metric, MetricCollection):
            return dict(self._metric.items(keep_base=True, copy_state=True))
        return {"metric": self._metric}


class WholeMetric(EpochMetric):
    """A number of all rows together: what `measure` makes of their predictions."""

    in_parts = False

    def __init__(self, name: str, measure: Callable[[Predictions], Any]) -> None:
        super().__init__([name])
        self._measure = measure
        self._value = float("nan")

    @classmethod
    def of_function(cls, name: str, function: MetricFunction) -> WholeMetric:
        """A function of (outputs, targets); the outputs are the network's own."""
        return cls(name, partial(_called, function))

    @classmethod
    def of_scorer(cls, name: str, scorer: str) -> WholeMetric:
        """A scorer that sklearn knows by name, asked about an estimator that has these predictions."""
        return cls(name, partial(_scored, scorer))

    def update(self, predictions: Predictions) -> None:
        self._value = as_number(self._measure(predictions))

    def compute(self) -> Mapping[str, float]:
        return {self.names[0]: self._value}


def _called(function: MetricFunction, predictions: Predictions) -> Any:
    return function(predictions.outputs, predictions.targets)


def _scored(scorer: str, predictions: Predictions) -> Any:
    from sklearn.metrics import get_scorer

    from gradfleet.training.metrics.fixed_estimator import fixed_estimator

    targets = predictions.targets.cpu().numpy()
    rows = np.arange(len(targets)).reshape(-1, 1)
    return get_scorer(scorer)(fixed_estimator(predictions), rows, targets)


def as_number(value: Any) -> float:
    """The one number that a metric gave.

    Raises:
        ValueError: they are several.
    """
    if isinstance(value, torch.Tensor) and value.numel() != 1:
        raise ValueError(f"A metric must give one number, got a tensor of shape {tuple(value.shape)}.")
    return float(value)
