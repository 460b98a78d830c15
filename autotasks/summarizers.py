"""Summarizers that take sentences of the text: its first ones, or those that a learned scorer likes best."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from safetensors.numpy import load, save

from autotasks.rouge import rouge1_of
from autotasks.sentences import Array, SentenceFeatures, shortened, split_all
from gradfleet.errors import ExportError
from gradfleet.tasks import TextPreparation

_DESCRIBED, _WEIGHTS = "summarizer.json", "weights.safetensors"
_LONGEST = 5  # sentences of a summary
TRIED = 400  # training rows by which their number is chosen
Cached = Callable[[Any, Callable[[], Array]], Any]
"""An array by its key, computed by the first who asks."""


class Summarizer(ABC):
    """Scores the sentences of a text and takes the best; how many is chosen on training rows, by ROUGE-1."""

    def __init__(self) -> None:
        self.count = 1
        self.cached: Cached = lambda key, compute: compute()

    @abstractmethod
    def scores(self, documents: Sequence[Sequence[str]]) -> list[Array]:
        """How much each sentence of each document belongs into a summary."""

    def fit(self, texts: Sequence[str], summaries: Sequence[str], cached: Cached, preparation: TextPreparation) -> None:
        """Learn from texts and their summaries."""
        self.cached, self.preparation = cached, preparation
        self.learn(split_all(texts), summaries)
        known, wanted = texts[:TRIED], summaries[:TRIED]
        found = {}
        for self.count in range(1, _LONGEST + 1):
            found[self.count] = np.mean(rouge1_of(self.summarize(known), wanted))
        self.count = max(found, key=lambda count: found[count])

    @abstractmethod
    def learn(self, documents: Sequence[Sequence[str]], summaries: Sequence[str]) -> None:
        """What there is to learn beside the number of sentences."""

    def summarize(self, texts: Sequence[str]) -> list[str]:
        """A summary of each text."""
        documents = split_all(texts)
        scored = zip(documents, self.scores(documents), strict=True)
        return [shortened(document, scores, self.count) for document, scores in scored]

    def save_pretrained(self, folder: Path) -> None:
        """There is no network.

        Raises:
            ExportError: always.
        """
        raise ExportError(f'A {type(self).__name__} is no network of transformers; use format="bundle".')

    def files(self) -> dict[str, bytes]:
        """Everything learned, as JSON and safetensors by file name."""
        return {_DESCRIBED: json.dumps(self.description(), ensure_ascii=False).encode(), _WEIGHTS: save(self.weights())}

    def read(self, files: Mapping[str, bytes], preparation: TextPreparation) -> None:
        """Become what `files` wrote."""
        self.preparation = preparation
        self.restore(json.loads(files[_DESCRIBED]), load(files[_WEIGHTS]))

    def description(self) -> dict[str, Any]:
        return {"count": self.count}

    def weights(self) -> dict[str, Array]:
        return {}

    def restore(self, description: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
        del weights
        self.count = description["count"]


class LeadSummarizer(Summarizer):
    """The first sentences of a text: the baseline, which is hard to beat on news."""

    def learn(self, documents: Sequence[Sequence[str]], summaries: Sequence[str]) -> None:
        del documents, summaries  # the number of sentences is all there is

    def scores(self, documents: Sequence[Sequence[str]]) -> list[Array]:
        return [-np.arange(len(document), dtype=np.float64) for document in documents]


class ExtractiveSummarizer(Summarizer):
    """The sentences that ridge regression on counts, places and words expects to share most with the summary.

    Each training sentence's target is its ROUGE-1 against the summary, as in Nallapati et al., 2017, arXiv:1611.04230,
    but as an amount instead of a yes or no.

    Args:
        strength: of the data against small weights.
        terms: words and pairs of words that count themselves, at most.
    """

    def __init__(self, *, strength: float = 0.1, terms: int = 5_000) -> None:
        super().__init__()
        self._strength = strength
        self._num_terms = terms
        self._features = SentenceFeatures(self._vectorizer())
        self._weights = np.zeros(0)

    def learn(self, documents: Sequence[Sequence[str]], summaries: Sequence[str]) -> None:
        self.solve(documents, np.concatenate(self.amounts(documents, summaries)))

    def amounts(self, documents: Sequence[Sequence[str]], summaries: Sequence[str]) -> list[Array]:
        """ROUGE-1 of each sentence of each document against its summary; computed once a sweep."""
        sentences = [sentence for document in documents for sentence in document]
        of = [summary for document, summary in zip(documents, summaries, strict=True) for _ in document]
        found = self.cached("sentence-rouge1", lambda: np.array(rouge1_of(sentences, of)))
        return _by_document(np.asarray(found), documents)

    def solve(self, documents: Sequence[Sequence[str]], amounts: Array) -> None:
        """Fit the weights to the amounts of all sentences, one document after the other."""
        from sklearn.linear_model import Ridge

        self._features = SentenceFeatures(self._fitted([sentence for document in documents for sentence in document]))
        rows = self.rows(documents)
        self._weights = Ridge(alpha=1 / self._strength, solver="lsqr").fit(rows, amounts).coef_

    def rows(self, documents: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
        """What the regression sees of each sentence of each document, in order."""
        return self._features.of(documents)

    def scores(self, documents: Sequence[Sequence[str]]) -> list[Array]:
        return _by_document(self.rows(documents) @ self._weights, documents)

    def description(self) -> dict[str, Any]:
        return {**super().description(), "terms": self._features.vectorizer.get_feature_names_out().tolist()}

    def weights(self) -> dict[str, Array]:
        return {"weights": self._weights, "rarity": self._features.vectorizer.idf_}

    def restore(self, description: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
        super().restore(description, weights)
        vocabulary = {term: number for number, term in enumerate(description["terms"])}
        vectorizer = self._vectorizer(vocabulary)
        vectorizer.idf_ = weights["rarity"]
        self._features, self._weights = SentenceFeatures(vectorizer), weights["weights"]

    def _fitted(self, sentences: list[str]) -> Any:
        try:
            return self._vectorizer().fit(sentences)
        except ValueError:  # not one word in all the texts
            return self._vectorizer().fit(["nothing"])

    def _vectorizer(self, vocabulary: dict[str, int] | None = None) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, max_features=self._num_terms, vocabulary=vocabulary
        )


def _by_document(flat: Array, documents: Sequence[Sequence[str]]) -> list[Array]:
    """What is known of all sentences, as an array for each document."""
    return np.split(flat, np.cumsum([len(document) for document in documents])[:-1])
