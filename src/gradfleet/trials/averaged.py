"""Several trained networks as one, whose probabilities are the weighted mean of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch import nn

from gradfleet.data.prepared import DataFacts, Kind
from gradfleet.errors import ExecutionError
from gradfleet.training import kinds
from gradfleet.training.evaluation import Evaluation, evaluate
from gradfleet.training.metrics.meter import Meter
from gradfleet.training.model import Model
from gradfleet.training.settings import TrainingSettings
from gradfleet.training.step import Step, call
from gradfleet.trials.answers import NetworkAnswers
from gradfleet.trials.held_out import HeldOut
from gradfleet.trials.predictor import ModelPredictor
from gradfleet.trials.recipe import Predictor

Tensor = torch.Tensor


def mean_outputs(
    outputs: Sequence[Tensor], weights: Sequence[float], kind: Kind | None, as_probabilities: Sequence[bool]
) -> Tensor:
    """The weighted mean of the probabilities, in the terms of the first outputs: as logits where those are.

    A single one stays exactly what it is. Outputs of regression are averaged themselves.

    Args:
        weights: they sum to 1.
        as_probabilities: whether each of the outputs are probabilities already.
    """
    if len(outputs) == 1:
        return outputs[0]
    parts = [
        weight * (one.float() if is_done else kinds.probabilities(one.float(), kind))
        for one, weight, is_done in zip(outputs, weights, as_probabilities, strict=True)
    ]
    mean = torch.stack([part.reshape(parts[0].shape) for part in parts]).sum(dim=0)
    if as_probabilities[0] or kind in (None, "regression"):
        return mean
    tiny = torch.finfo(mean.dtype).tiny
    # The inverse of what makes probabilities of outputs: softmax(log p) is p, and so is sigmoid(log p - log(1 - p)).
    logs = mean.clamp_min(tiny).log()
    return logs if kind == "multiclass" else logs - (1 - mean).clamp_min(tiny).log()


def measured(model: Model, outputs: Tensor, targets: Tensor) -> Meter:
    """What `model` was compiled to measure, over outputs that are not its own."""
    outputs, targets = outputs.to(model.device), targets.to(model.device)
    meter = Meter(model.problem, keep_predictions=True)
    meter.add(Step(model.problem.compute_loss(outputs, targets), outputs, targets), (outputs, targets))
    return meter


class AveragedPredictor:
    """Asks every model, each in its own way, and answers with their mean in the terms of the first.

    Args:
        weights: how much each counts, in any measure.

    Raises:
        ExecutionError: one of them is not a Model of one network.
    """

    def __init__(self, predictors: Sequence[Predictor], weights: Sequence[float]) -> None:
        self._members = [one_network(one) for one in predictors]
        self._weights = [weight / sum(weights) for weight in weights]
        self._as_probabilities = [one.model.problem.outputs_are_probabilities for one in self._members]

    @property
    def facts(self) -> DataFacts:
        return self._members[0].facts

    @property
    def labels(self) -> tuple[str, ...] | None:
        return self.facts.labels

    def predict(self, items: Any) -> list[Any]:
        """One prediction an item, in order; see `ModelPredictor.predict`."""
        return self.answers(items).labels

    def predict_proba(self, items: Any) -> numpy.ndarray[Any, numpy.dtype[numpy.float32]]:
        """Probabilities of shape (rows, classes), in the order of `facts.labels`.

        Raises:
            DataError: as `predict`, or the models do not classify.
        """
        return self.answers(items).probabilities

    def scores(self, items: Any) -> numpy.ndarray[Any, Any]:
        """Of data whose classes have scores, such as sentiments, the mean score of each item, shape (items,).

        Raises:
            DataError: as `predict`, or the classes have none.
        """
        return self.answers(items).scores

    def answers(self, items: Any) -> NetworkAnswers:
        """Labels, probabilities and scores of one pass of each network."""
        outputs = self._mean([one.outputs(items) for one in self._members])
        return NetworkAnswers(outputs, self.facts, are_probabilities=self._as_probabilities[0])

    def evaluate(self, data: Any) -> Evaluation:
        """Loss and metrics over labelled data; see `ModelPredictor.evaluate`."""
        found = [HeldOut.of(one, data) for one in self._members]
        outputs = self._mean([one.outputs for one in found])
        return evaluate(measured(self._members[0].model, outputs, found[0].targets), self.labels)

    def as_network(self) -> ModelPredictor:
        """The same as one network, for formats that hold a single one.

        Raises:
            ExecutionError: the networks do not read the same inputs.
        """
        first = self._members[0]
        if any(one.reads_its_own_way for one in self._members):
            raise ExecutionError("These networks read inputs each in its own way: they are exported as a bundle only.")
        networks = [one.model.network for one in self._members]
        network = AveragedNetworks(networks, self._weights, first.model.problem.kind, self._as_probabilities)
        model = Model(network, device=first.model.device)
        settings = first.model.settings
        model.compile(**{name: getattr(settings, name) for name in TrainingSettings.__dataclass_fields__})
        return ModelPredictor(model, first.facts, batch_size=first.batch_size)

    def _mean(self, outputs: Sequence[Tensor]) -> Tensor:
        return mean_outputs(outputs, self._weights, self._members[0].model.problem.kind, self._as_probabilities)


class AveragedNetworks(nn.Module):
    """Gives what the first network would give, had it the mean probabilities; see `mean_outputs`."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        weights: Sequence[float],
        kind: Kind | None,
        as_probabilities: Sequence[bool],
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._weights = tuple(weights)
        self._kind = kind
        self._as_probabilities = tuple(as_probabilities)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = [call(network, inputs) for network in self.networks]
        return mean_outputs(outputs, self._weights, self._kind, self._as_probabilities)


def one_network(predictor: Predictor) -> ModelPredictor:
    """The predictor, known to be that of a Model of one network.

    Raises:
        ExecutionError: it is not.
    """
    if not isinstance(predictor, ModelPredictor) or len(predictor.model.networks) != 1:
        raise ExecutionError(
            f"Models of one network each can be averaged, and this study has another kind: {type(predictor).__name__}."
        )
    return predictor
