"""A network beside a linear classifier on words: it learns what the classifier misses, and does not lose to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from autotasks.tfidf import TfidfLinear, text_inputs
from gradfleet.tasks import ArrayExamples, DataNetwork, FeatureCache, Inputs, NamedInputs, RowsByName, TextInputs


class WithWords(DataNetwork):
    """The network's outputs, and `scale` times those of a linear classifier on TF-IDF, which is solved first.

    While it trains, the classifier's part of each row comes from classifiers that have not seen that row: what it knows
    by heart would leave nothing to learn. A net that is small for its data, or large for it, so begins where the
    baseline is, instead of being compared with it on a few hundred validation rows.

    Args:
        network: takes `input_ids` and `attention_mask`; its last layer begins at zero.
    """

    def __init__(self, network: nn.Module, num_outputs: int) -> None:
        super().__init__()
        self.network = network
        self.words = TfidfLinear(num_outputs)
        self.scale = nn.Parameter(torch.tensor(2.0))  # margins of 1 are then about as sure as they are right

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        last = [layer for layer in self.network.modules() if isinstance(layer, nn.Linear)][-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.words.start(train, cache)
        self.words.requires_grad_(False)

    def learned(self) -> dict[str, Any]:
        return self.words.learned()

    def restore(self, learned: Mapping[str, Any]) -> None:
        self.words.restore(learned)

    def learns_from(self, train: ArrayExamples, cache: FeatureCache) -> ArrayExamples:
        said = NamedInputs({"said": self.words.out_of_fold(train, cache)})
        return replace(train, inputs=replace(text_inputs(train.inputs), beside=said))

    def reads(self, inputs: Inputs | RowsByName) -> TextInputs:
        texts = text_inputs(inputs)
        return replace(texts, beside=self.words.reads(texts))

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        terms: torch.Tensor | None = None,
        counts: torch.Tensor | None = None,
        said: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if said is None:
            assert terms is not None
            assert counts is not None
            said = self.words(terms, counts)
        outputs: torch.Tensor = self.network(input_ids, attention_mask) + self.scale * said
        return outputs
