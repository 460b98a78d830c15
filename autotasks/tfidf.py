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

from autotasks.linear import hinge, out_of_fold, solve
from gradfleet.errors import SettingError
from gradfleet.tasks import ArrayExamples, DataNetwork, FeatureCache, Inputs, RowsByName, TextInputs

WORDS = r"(?u)\w+|[^\w\s]"
"""Words and single marks: an exclamation or a smiley says something."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Rows of weighted terms, which give batches by name.

    Attributes:
        weights: sparse, (rows, terms).
    """

    weights: scipy.sparse.csr_matrix

    def __len__(self) -> int:
        return int(self.weights.shape[0])

    def take(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """`terms` and `weights`, (rows, the most terms of a row), padded with term 0 of weight 0."""
        found = self.weights[rows.numpy()]
        counts = np.diff(found.indptr)
        there = np.arange(max(int(counts.max(initial=0)), 1)) < counts[:, None]
        terms, weights = np.zeros(there.shape, np.int64), np.zeros(there.shape, np.float32)
        terms[there], weights[there] = found.indices, found.data
        return {"terms": torch.from_numpy(terms), "weights": torch.from_numpy(weights)}


class TfidfLinear(DataNetwork):
    """TF-IDF of words and short sequences of them, and a linear support vector machine (scikit-learn's of both).

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
        features = self._fit_words(_texts(train.inputs))
        assert isinstance(train.targets, torch.Tensor)
        weights, biases = solve(features, train.targets, self._num_outputs, self._classifier)
        with torch.no_grad():
            self.weights.weight.copy_(torch.from_numpy(weights.T))
            self.biases.copy_(torch.from_numpy(biases))

    def out_of_fold(self, train: ArrayExamples, cache: FeatureCache) -> torch.Tensor:
        """What classifiers like this one, once it is started, say of training rows that they have not seen."""
        targets = train.targets
        assert isinstance(targets, torch.Tensor)

        def compute() -> Any:
            features = self._fitted.transform(_texts(train.inputs)).tocsr()
            return out_of_fold(features, targets, self._num_outputs, self._classifier)

        return cache.array(["words", self._longest, self._strength], compute)

    def learned(self) -> dict[str, Any]:
        return {"terms": self._terms}

    def restore(self, learned: Mapping[str, Any]) -> None:
        self._restore(learned["terms"])

    def reads(self, inputs: Inputs | RowsByName) -> Terms:
        return Terms(self._fitted.transform(_texts(inputs)).tocsr().astype(np.float32))

    def forward(self, terms: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = (self.weights(terms) * weights[..., None]).sum(1) + self.biases
        return outputs

    def _classifier(self) -> Any:
        return hinge(self._strength)

    def _fit_words(self, texts: list[str]) -> Any:
        """Learn terms and their rarity from the texts; their features."""
        vectorizer = self._vectorizer()
        try:
            features = vectorizer.fit_transform(texts)
        except ValueError:  # not one word in all the texts
            vectorizer = self._vectorizer().fit(["nothing"])
            features = vectorizer.transform(texts)
        self._restore(vectorizer.get_feature_names_out().tolist())
        self.rarity.copy_(torch.from_numpy(vectorizer.idf_))
        return features

    def _restore(self, terms: list[str]) -> None:
        self._terms = list(terms)
        self.weights = nn.Embedding(len(terms), self._num_outputs)
        self.biases = nn.Parameter(torch.zeros(self._num_outputs))
        self.register_buffer("rarity", torch.ones(len(terms), dtype=torch.float64))

    @cached_property
    def _fitted(self) -> Any:
        vectorizer = self._vectorizer(dict(zip(self._terms, range(len(self._terms)), strict=True)))
        vectorizer.idf_ = self.rarity.cpu().numpy()
        return vectorizer

    def _vectorizer(self, vocabulary: dict[str, int] | None = None) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            ngram_range=(1, self._longest), sublinear_tf=True, token_pattern=WORDS, vocabulary=vocabulary
        )


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
