"""Pretrained text encoders: a linear layer on their vectors, solved at once, and fine-tuning that begins there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from autotasks.backbones import computing, made_from, read_pretrained
from autotasks.encoders import PretrainedEncoder
from autotasks.tfidf import TfidfLinear, text_inputs
from gradfleet.tasks import ArrayExamples, FeatureCache, Inputs, NamedInputs, RowsByName, TextInputs

_AT_ONCE = 64  # texts of like length whose vectors are computed together


class TextEncoder(PretrainedEncoder):
    """A transformers encoder, the mean of its last states over the tokens, and a linear layer.

    Args:
        view: what the tokens of this encoder's own tokenizer are called in the prepared data.
        Everything else is as for PretrainedEncoder.
    """

    def __init__(self, source: str, view: str, num_outputs: int, *, strength: float, dropout: float = 0.0) -> None:
        super().__init__(source, num_outputs, strength=strength)
        self._view = view
        self.dropout = nn.Dropout(dropout)

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        self.encoder = read_pretrained(self._source)
        self.solve_head(self.vectors(train, "train", cache), train.targets)

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

    def compute(self, examples: ArrayExamples) -> np.ndarray[Any, Any]:
        """Texts of like length together."""
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
        vectors, said = self.vectors(train, "train", cache), self.words.out_of_fold(train, cache)
        self.solve_head(torch.cat([vectors, said], dim=1), train.targets)

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
        return replace(examples, inputs=NamedInputs({"vectors": self.vectors(examples, name, cache), "said": said}))

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
