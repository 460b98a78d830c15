"""The baseline of text classification: weighted counts of words, and a linear classifier on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import nn
from torch.nn import functional

from autotasks.counted_words import WORDS, CountedWords, counter
from autotasks.linear import hinge, out_of_fold, solve
from gradfleet.errors import SettingError
from gradfleet.tasks import ArrayExamples, DataNetwork, FeatureCache, Inputs, RowsByName, TextInputs


@dataclass(frozen=True, slots=True)
class Terms:
    """Rows of counted terms, which give batches by name.

    Attributes:
        counts: sparse, (rows, terms).
    """

    counts: scipy.sparse.csr_matrix

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    def take(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """`terms` and `counts`, int64 (rows, the most terms of a row), padded with term 0 that is counted 0 times."""
        found = self.counts[rows.numpy()]
        widths = np.diff(found.indptr)
        there = np.arange(max(int(widths.max(initial=0)), 1)) < widths[:, None]
        terms, counts = np.zeros((2, *there.shape), np.int64)
        terms[there], counts[there] = found.indices, found.data
        return {"terms": torch.from_numpy(terms), "counts": torch.from_numpy(counts)}


class TfidfLinear(DataNetwork):
    """TF-IDF of words and short sequences of them, and a linear support vector machine (scikit-learn's of both).

    Words are counted once a sweep, and each strength is solved once. The network takes the counts of a text's terms and
    makes TF-IDF of them itself, so that an exported one needs to be told no more than those.

    Args:
        longest: words of the longest sequences that count as terms.
        strength: of the data against small weights.
    """

    fitted_at_once = True
    rarity: torch.Tensor

    def __init__(self, num_outputs: int, *, longest: int = 2, strength: float = 1.0) -> None:
        super().__init__()
        self._num_outputs = num_outputs
        self._longest = longest
        self._strength = strength
        self._terms: list[str] = []
        self._restore([""])

    def start(self, train: ArrayExamples, cache: FeatureCache) -> None:
        features = self.count(train, cache)
        targets = train.targets
        assert isinstance(targets, torch.Tensor)

        def compute() -> Any:
            weights, biases = solve(features, targets, self._num_outputs, self._classifier)
            return np.concatenate([weights.T, biases[None]])

        solved = cache.array(["linear on words", self._longest, self._strength], compute)
        with torch.no_grad():
            self.weights.weight.copy_(solved[:-1])
            self.biases.copy_(solved[-1])

    def count(self, train: ArrayExamples, cache: FeatureCache) -> Any:
        """Know the words of the training texts, with weights for each; their features, sparse, (rows, terms)."""
        counted = self._counted(train, cache)
        self._restore(counted.terms)
        self.rarity.copy_(torch.from_numpy(counted.rarity))
        return counted.features

    def out_of_fold(self, train: ArrayExamples, cache: FeatureCache) -> torch.Tensor:
        """What classifiers like this one say of training rows that they have not seen."""
        targets = train.targets
        assert isinstance(targets, torch.Tensor)

        def compute() -> Any:
            return out_of_fold(self._counted(train, cache).features, targets, self._num_outputs, self._classifier)

        return cache.array(["words", self._longest, self._strength], compute)

    def learned(self) -> dict[str, Any]:
        return {"terms": self._terms, "longest": self._longest, "pattern": WORDS}

    def restore(self, learned: Mapping[str, Any]) -> None:
        self._restore(learned["terms"])

    def reads(self, inputs: Inputs | RowsByName) -> Terms:
        return Terms(self._counter.transform(_texts(inputs)).tocsr())

    def forward(self, terms: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        frequencies = torch.where(counts > 0, 1 + counts.clamp(min=1).log(), 0)
        features = functional.normalize(frequencies * self.rarity[terms].to(frequencies.dtype))
        outputs: torch.Tensor = (self.weights(terms) * features[..., None]).sum(1) + self.biases
        return outputs

    def _classifier(self) -> Any:
        return hinge(self._strength)

    def _counted(self, train: ArrayExamples, cache: FeatureCache) -> CountedWords:
        return CountedWords.of(_texts(train.inputs), self._longest, cache)

    def _restore(self, terms: list[str]) -> None:
        self._terms = list(terms)
        self.weights = nn.Embedding(len(terms), self._num_outputs)
        self.biases = nn.Parameter(torch.zeros(self._num_outputs))
        self.register_buffer("rarity", torch.ones(len(terms), dtype=torch.float64))

    @cached_property
    def _counter(self) -> Any:
        return counter(self._terms, self._longest)


def text_inputs(inputs: Inputs | RowsByName) -> TextInputs:
    """The inputs, which have to be texts.

    Raises:
        SettingError: they are none.
    """
    if not isinstance(inputs, TextInputs):
        raise SettingError(f"Words are counted in texts, and these inputs are {type(inputs).__name__}.")
    return inputs


def _texts(inputs: Inputs | RowsByName) -> list[str]:
    return list(text_inputs(inputs).texts)
