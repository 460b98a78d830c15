"""What a model says of items: labels, probabilities and scores, of a network from one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy
import torch

from gradfleet.data.prepared import DataFacts
from gradfleet.errors import DataError
from gradfleet.training import kinds
from gradfleet.trials.recipe import Predictor


class Answers(Protocol):
    """What a model says of items, in their order."""

    @property
    def labels(self) -> Sequence[Any]:
        """One an item, as `predict` gives them."""
        ...

    @property
    def probabilities(self) -> numpy.ndarray[Any, Any]:
        """(items, classes), in the order of the model's labels.

        Raises:
            DataError: the model does not classify.
        """
        ...

    @property
    def scores(self) -> numpy.ndarray[Any, Any]:
        """(items,), of classes that have scores, such as sentiments: their mean, each as much as it is likely.

        Raises:
            DataError: they have none.
        """
        ...


@runtime_checkable
class Answering(Protocol):
    """A predictor that gives all of it at once."""

    def answers(self, items: Any) -> Answers:
        """What it says of items that `predict` takes.

        Raises:
            DataError: an item cannot be read.
        """
        ...


def answers_of(predictor: Predictor, items: Any) -> Answers:
    """What any predictor says; one that does not give all of it at once is asked for each part that is wanted."""
    return predictor.answers(items) if isinstance(predictor, Answering) else _Separately(predictor, items)


@dataclass(frozen=True, slots=True)
class NetworkAnswers:
    """A network's outputs in the terms of the data that it learned from.

    Attributes:
        outputs: a row an item.
        temperature: what raw outputs are divided by before they become probabilities.
        are_probabilities: whether the outputs are such already.
    """

    outputs: torch.Tensor
    facts: DataFacts
    temperature: float = 1.0
    are_probabilities: bool = False

    @property
    def labels(self) -> list[Any]:
        """A label for classes, a list of labels for multilabel, else numbers."""
        if self.facts.kind == "multiclass":
            return [self.facts.label(number) for number in self.outputs.argmax(dim=1).tolist()]
        said = self.outputs > (0.5 if self.are_probabilities else 0)
        if self.facts.kind == "multilabel":
            return [[self.facts.label(number) for number in row.nonzero().flatten().tolist()] for row in said]
        if self.facts.kind == "binary":
            return said.reshape(len(said)).long().tolist()
        return self.outputs.tolist()

    @property
    def probabilities(self) -> numpy.ndarray[Any, Any]:
        if self.facts.kind == "regression":
            raise DataError("A regression model has no probabilities; use predict().")
        return self.likely.float().numpy()

    @property
    def likely(self) -> torch.Tensor:
        """The probabilities as doubles, whose logarithms are exact where one is sure."""
        outputs = self.outputs.double()
        return outputs if self.are_probabilities else kinds.probabilities(outputs / self.temperature, self.facts.kind)

    @property
    def scores(self) -> numpy.ndarray[Any, Any]:
        return self.facts.mean_score(self.probabilities)


@dataclass(frozen=True, slots=True)
class _Separately:
    predictor: Predictor
    items: Any

    @property
    def labels(self) -> Sequence[Any]:
        return self.predictor.predict(self.items)

    @property
    def probabilities(self) -> numpy.ndarray[Any, Any]:
        return self.predictor.predict_proba(self.items)

    @property
    def scores(self) -> numpy.ndarray[Any, Any]:
        raise DataError(f"{type(self.predictor).__name__} predicts no classes that could have scores.")
