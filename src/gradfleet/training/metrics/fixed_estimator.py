"""An sklearn estimator that has made its predictions already, so that any sklearn scorer can be asked about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from gradfleet.training.metrics.predictions import Predictions

Array = npt.NDArray[Any]


class _FixedRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    def __init__(self, predicted: Array) -> None:
        self.predicted = predicted

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, rows: Array) -> Array:
        return self.predicted


class _FixedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    def __init__(self, predicted: Array, probabilities: Array, classes: Array) -> None:
        self.predicted = predicted
        self.probabilities = probabilities
        self.classes_ = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, rows: Array) -> Array:
        return self.predicted

    def predict_proba(self, rows: Array) -> Array:
        return self.probabilities


def fixed_estimator(predictions: Predictions) -> BaseEstimator:
    """A fitted estimator whose predictions for any rows are `predictions`."""
    predicted = predictions.classes.cpu().numpy()
    if predictions.kind in (None, "regression"):
        return _FixedRegressor(predicted)
    probabilities = predictions.probabilities.double().cpu().numpy()
    if predictions.kind == "multiclass":
        # sklearn wants rows that add up to 1 in double precision.
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    elif predictions.kind == "binary":
        probabilities = np.column_stack([1 - probabilities, probabilities])
    return _FixedClassifier(predicted, probabilities, np.arange(max(2, predictions.num_outputs)))
