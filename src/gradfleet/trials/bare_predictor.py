"""A trained Model of which no data tells in which terms it predicts."""

from __future__ import annotations

from typing import Any

import numpy

from gradfleet.errors import DataError
from gradfleet.training.evaluation import Evaluation
from gradfleet.training.model import Model


class BarePredictor:
    """Predicts in the network's own terms: of a model that learned from no data, nobody knows any others.

    Attributes:
        model: the trained Model itself.
        labels: none.
    """

    labels: tuple[str, ...] | None = None

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, items: Any) -> list[Any]:
        """The network's outputs for each of the inputs, in order."""
        outputs: list[Any] = self.model.predict(items).tolist()
        return outputs

    def predict_proba(self, items: Any) -> numpy.ndarray[Any, numpy.dtype[numpy.float32]]:
        """
        Raises:
            DataError: always.
        """
        raise DataError("A model that learned from no data knows no classes; use predict(), which gives its outputs.")

    def evaluate(self, data: Any) -> Evaluation:
        """Loss and metrics over anything that `Model.evaluate` takes."""
        return self.model.evaluate(data)
