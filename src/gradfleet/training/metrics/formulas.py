"""Arithmetic of metrics: `P * R * 2 / (P + R)` is a metric, and so is its mean."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.metrics.epoch_metrics import EpochMetric, as_number
from gradfleet.training.metrics.predictions import Predictions

if TYPE_CHECKING:
    import torchmetrics

_Function = Callable[..., torch.Tensor]


class Formula(ABC):
    """One number of a pass over the data, or one for each class; add, multiply and average them as you like.

    A class that is neither in the targets nor predicted has NaN, which `mean` and the like leave out; nothing
    divided by nothing is 0, as where precision and recall both are. Give a formula its name with a dict.

    Example:
        >>> P, R = PerClass("precision"), PerClass("recall")
        >>> from torch import nn
        >>> from gradfleet.training.model import Model
        >>> model = Model(nn.Linear(2, 3)).compile(metrics={"f1": (P * R * 2 / (P + R)).mean()})
    """

    @abstractmethod
    def compute(self, predictions: Predictions) -> torch.Tensor:
        """Its value over all rows."""

    def __add__(self, other: Formula | float) -> Formula:
        return _Combined(torch.add, self, other)

    def __radd__(self, other: float) -> Formula:
        return _Combined(torch.add, other, self)

    def __sub__(self, other: Formula | float) -> Formula:
        return _Combined(torch.sub, self, other)

    def __rsub__(self, other: float) -> Formula:
        return _Combined(torch.sub, other, self)

    def __mul__(self, other: Formula | float) -> Formula:
        return _Combined(torch.mul, self, other)

    def __rmul__(self, other: float) -> Formula:
        return _Combined(torch.mul, other, self)

    def __truediv__(self, other: Formula | float) -> Formula:
        return _Combined(_divide, self, other)

    def __rtruediv__(self, other: float) -> Formula:
        return _Combined(_divide, other, self)

    def __pow__(self, other: Formula | float) -> Formula:
        return _Combined(torch.pow, self, other)

    def __neg__(self) -> Formula:
        return _Combined(torch.neg, self)

    def __abs__(self) -> Formula:
        return _Combined(torch.abs, self)

    def __getitem__(self, number: int) -> Formula:
        """That of one class."""
        return _Combined(operator.itemgetter(number), self)

    def mean(self) -> Formula:
        """Over the classes that there are."""
        return _Combined(torch.nanmean, self)

    def sum(self) -> Formula:
        """Over the classes that there are."""
        return _Combined(torch.nansum, self)

    def min(self) -> Formula:
        """That of the class with the smallest."""
        return _Combined(lambda values: values[~values.isnan()].min(), self)

    def max(self) -> Formula:
        """That of the class with the largest."""
        return _Combined(lambda values: values[~values.isnan()].max(), self)


class PerClass(Formula):
    """Precision, recall or the number of true rows of each class or label.

    Args:
        name: "precision", "recall" or "rows".

    Raises:
        SettingError: it has another name.
    """

    def __init__(self, name: str) -> None:
        if name not in _COUNTED:
            raise SettingError(unknown_name("number of a class", name, _COUNTED))
        self._name = name

    def compute(self, predictions: Predictions) -> torch.Tensor:
        true, found = _hits(predictions)
        hit, said, there = (one.sum(dim=0, dtype=torch.float64) for one in (true & found, found, true))
        value = _COUNTED[self._name](hit, said, there)
        return torch.where((said + there) > 0, value, torch.nan)


class Measured(Formula):
    """A torchmetrics metric, with as many numbers as it gives."""

    def __init__(self, metric: torchmetrics.Metric) -> None:
        self._metric = metric

    def compute(self, predictions: Predictions) -> torch.Tensor:
        values = predictions.probabilities
        metric = self._metric.clone().to(values.device)
        metric.update(values.contiguous(), predictions.targets.contiguous())
        result: torch.Tensor = metric.compute().double()
        return result


class _Combined(Formula):
    def __init__(self, function: _Function, *parts: Formula | float) -> None:
        self._function, self._parts = function, parts

    def compute(self, predictions: Predictions) -> torch.Tensor:
        values = [
            part.compute(predictions)
            if isinstance(part, Formula)
            else torch.tensor(part, dtype=torch.float64, device=predictions.targets.device)
            for part in self._parts
        ]
        return self._function(*values)


class FormulaMetric(EpochMetric):
    """A formula over all predictions of a pass."""

    in_parts = False

    def __init__(self, name: str, formula: Formula) -> None:
        super().__init__([name])
        self._formula = formula
        self._value = float("nan")

    def update(self, predictions: Predictions) -> None:
        self._value = as_number(self._formula.compute(predictions))

    def compute(self) -> dict[str, float]:
        return {self.names[0]: self._value}


def _hits(predictions: Predictions) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether each row is of each class, and whether it was said to be."""
    if predictions.kind not in ("binary", "multiclass", "multilabel"):
        raise SettingError(
            f"PerClass is for classification, and this problem is {predictions.kind or 'of unknown kind'}."
        )
    true, found = predictions.targets.long(), predictions.classes.long()
    if predictions.kind == "multilabel":
        return true.bool(), found.bool()
    classes = torch.arange(2 if predictions.kind == "binary" else predictions.num_outputs, device=true.device)
    return true.reshape(-1, 1) == classes, found.reshape(-1, 1) == classes


def _divide(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Nothing divided by nothing is 0."""
    return torch.where((left == 0) & (right == 0), torch.zeros_like(left), left / right)


_COUNTED: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "precision": lambda hit, said, there: _divide(hit, said),
    "recall": lambda hit, said, there: _divide(hit, there),
    "rows": lambda hit, said, there: there,
}
