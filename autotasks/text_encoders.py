"""Pretrained text encoders: a linear layer on their vectors, solved at once, and fine-tuning that begins there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from autotasks.backbones import computing, made_from, read_pretrained
from autotasks.linear import logistic, solve
from autotasks.tfidf import TfidfLinear, text_inputs
from gradfleet.tasks import ArrayExamples, DataNetwork, FeatureCache, Inputs, NamedInputs, RowsByName, TextInputs

_AT_ONCE = 64  # texts of like length whose vectors are computed together


class TextEncoder(DataNetwork):
    """A transformers encoder, the mean of its last states over the tokens, and a linear layer.

    The linear layer begins as logistic regression on the pretrained vectors, so that fine-tuning does not tear them
    apart for a head that knows nothing (Kumar et al., 2022, arXiv:2202.10054). The vectors are computed once a sweep.

    Args:
        source: a local folder that `save_pretrained` wrote, or a name on the hub.
        view: what the tokens of this encoder's own tokenizer are called in the prepared data.
        strength: of the data against small weights in that regression.
    """

    def __init__(self, source: str, view: str, num_outputs: int, *, strength: float, dropout: float = 0.0) -> None:
        super().__init__()
        self._source = source
        self._view = view
        self._num_outputs = num_outputs
        self._strength = strength
        self.dropout = nn.Dropout(dropout)

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        self.encoder = read_pretrained(self._source)
        self._solve_head(self._vectors(train, "train", cache), train.targets)

    def _solve_head(self, features: torch.Tensor, targets: Any) -> None:
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

    def learned(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.encoder.config.to_dict()
        return {"config": settings}

    def restore(self, learned: Mapping[str, Any]) -> None:
        self.encoder = made_from(learned["config"])
        self.head = nn.Linear(self.encoder.config.hidden_size, self._num_outputs)

    def reads(self, inputs: Inputs | RowsByName) -> TextInputs:
        return text_inputs(inputs).seen_as(self._view)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.dropout(self.pooled(input_ids, attention_mask)))
        return outputs

    def pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The vector of each text, (rows, hidden size)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        there = attention_mask[..., None].to(states.dtype)
        vectors: torch.Tensor = (states * there).sum(1) / there.sum(1).clamp(min=1)
        return vectors

    def _vectors(self, examples: ArrayExamples, name: str, cache: FeatureCache) -> torch.Tensor:
        return cache.array([name, self._source, "mean"], lambda: self._compute(examples))

    def _compute(self, examples: ArrayExamples) -> np.ndarray[Any, Any]:
        """Texts of like length together; the vectors in the texts' own order."""
        inputs = text_inputs(examples.inputs).seen_as(self._view)
        found = torch.zeros(len(inputs), self.encoder.config.hidden_size)
        with computing(self):
            for rows in torch.split(inputs.lengths.argsort(stable=True), _AT_ONCE):
                batch = {key: part.to(self.encoder.device) for key, part in inputs.take(rows).items()}
                found[rows] = self.pooled(**batch).float().cpu()
        return found.numpy()


class FrozenTextEncoder(TextEncoder):
    """The same, as far as it comes without training, with what a linear classifier on words says beside the vectors.

    The regression learns from what such classifiers say of rows that they have not seen, see `linear.out_of_fold`.
    """

    fitted_at_once = True

    def __init__(self, source: str, view: str, num_outputs: int, *, strength: float) -> None:
        super().__init__(source, view, num_outputs, strength=strength)
        self.words = TfidfLinear(num_outputs)

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        self.encoder = read_pretrained(self._source)
        self.words.start(train, cache)
        vectors, said = self._vectors(train, "train", cache), self.words.out_of_fold(train, cache)
        self._solve_head(torch.cat([vectors, said], dim=1), train.targets)

    def learned(self) -> dict[str, Any]:
        return {**super().learned(), **self.words.learned()}

    def restore(self, learned: Mapping[str, Any]) -> None:
        self.words.restore(learned)
        self.encoder = made_from(learned["config"])
        self.head = nn.Linear(self.encoder.config.hidden_size + self._num_outputs, self._num_outputs)

    def reads(self, inputs: Inputs | RowsByName) -> TextInputs:
        return replace(super().reads(inputs), beside=self.words.reads(inputs))

    def measured_on(self, examples: ArrayExamples, name: str, cache: FeatureCache) -> ArrayExamples:
        terms = self.words.reads(examples.inputs).take(torch.arange(len(examples)))
        with torch.no_grad():
            said = self.words(**terms)
        return replace(examples, inputs=NamedInputs({"vectors": self._vectors(examples, name, cache), "said": said}))

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        terms: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
        vectors: torch.Tensor | None = None,
        said: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if vectors is None or said is None:
            assert input_ids is not None
            assert attention_mask is not None
            vectors, said = self.pooled(input_ids, attention_mask), self.words(terms, weights)
        outputs: torch.Tensor = self.head(torch.cat([vectors, said], dim=1))
        return outputs
