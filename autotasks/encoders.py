"""A pretrained network and a linear layer on its vectors, which begins as a solved regression."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from autotasks.linear import logistic, solve
from gradfleet.tasks import ArrayExamples, DataFacts, DataNetwork, FeatureCache


class PretrainedEncoder(DataNetwork):
    """What text and image encoders share.

    The linear layer begins as logistic regression on the pretrained vectors, so that fine-tuning does not tear them
    apart for a head that knows nothing (Kumar et al., 2022, arXiv:2202.10054). The vectors are computed once a sweep.

    Args:
        source: a local folder that `save_pretrained` wrote, or a name on the hub.
        strength: of the data against small weights in that regression.
    """

    encoder: Any
    head: nn.Linear

    def __init__(self, source: str, num_outputs: int, *, strength: float) -> None:
        super().__init__()
        self._source = source
        self._num_outputs = num_outputs
        self._strength = strength

    @property
    def seen_as(self) -> Sequence[str]:
        """What the vectors of given examples depend on."""
        return (self._source,)

    @abstractmethod
    def compute(self, examples: ArrayExamples) -> np.ndarray[Any, Any]:
        """The vector of each example, (rows, width), in the examples' order."""

    def labelled_config(self, facts: DataFacts) -> Any:
        """The pretrained network's own configuration, with the labels of the data."""
        from transformers import AutoConfig

        labels = [str(label) for label in facts.labels or range(facts.num_outputs)]
        settings = self.encoder.config.to_dict() | {"id2label": dict(enumerate(labels))}
        settings["label2id"] = {label: number for number, label in enumerate(labels)}
        return AutoConfig.for_model(settings.pop("model_type"), **settings)

    def vectors(self, examples: ArrayExamples, name: str, cache: FeatureCache) -> torch.Tensor:
        """The same, computed by the first who asks for this part of the data."""
        return cache.array([name, *self.seen_as, "vectors"], lambda: self.compute(examples))

    def solve_head(self, features: torch.Tensor, targets: Any) -> None:
        """Make the head logistic regression on features (rows, features), each of which counts alike."""
        known = features.numpy()
        mean, deviation = known.mean(0), known.std(0) + 1e-6
        weights, biases = solve(
            (known - mean) / deviation, targets, self._num_outputs, lambda: logistic(self._strength)
        )
        weights = weights / deviation
        self.head = nn.Linear(features.shape[1], self._num_outputs)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weights))
            self.head.bias.copy_(torch.from_numpy(biases - weights @ mean))
