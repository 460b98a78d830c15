"""Texts as sentences, what can be counted of each, and the choice of some of them as a summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

Array = npt.NDArray[Any]

_ENDS = re.compile(r"(?<=[.!?])[\"')\]]*\s+|(?<=[\u3002\uff01\uff1f])|\n+")
MOST_SENTENCES = 100
"""Of one text that may become part of its summary; what follows is not read."""


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, and its lines; a text without any is one empty sentence."""
    found = [part.strip() for part in _ENDS.split(text) if part and part.strip()]
    return found[:MOST_SENTENCES] or [""]


def split_all(texts: Iterable[str]) -> list[list[str]]:
    return [split_sentences(text) for text in texts]


def shortened(sentences: Sequence[str], scores: Array, count: int) -> str:
    """The `count` sentences of the highest scores, in the order of the text."""
    best = sorted(np.argsort(-scores, kind="stable")[:count].tolist())
    return " ".join(sentences[place] for place in best)


@dataclass(frozen=True, slots=True)
class SentenceFeatures:
    """What a scorer may know of each sentence: its place, its length, and how much of the text is in it.

    Attributes:
        vectorizer: fitted TF-IDF, whose terms count themselves as well.
    """

    vectorizer: Any

    def of(self, documents: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
        """A row for each sentence of each document, in order."""
        terms = self.vectorizer.transform([sentence for document in documents for sentence in document]).tocsr()
        counted = np.concatenate(list(_counts(documents, terms)))
        return scipy.sparse.hstack([scipy.sparse.csr_matrix(counted), terms], format="csr")


def _counts(documents: Sequence[Sequence[str]], terms: Any) -> Iterable[Array]:
    """Of each document an array (sentences, counts); all values are about 0 to 1."""
    start = 0
    for document in documents:
        rows = terms[start : start + len(document)]
        start += len(document)
        places = np.arange(len(document))
        words = np.array([len(sentence.split()) for sentence in document])
        yield np.stack(
            [
                places == 0,
                places == 1,
                places == len(document) - 1,
                1 / (1 + places),
                places / max(1, len(document) - 1),
                np.minimum(words / 40, 2),
                np.log1p(words) / 4,
                words < 6,
                _alike(rows, np.asarray(rows.sum(axis=0)).ravel()),
                _alike(rows, rows[0].toarray().ravel()),
                [any(letter.isdigit() for letter in sentence) for sentence in document],
                [sentence.endswith("?") for sentence in document],
            ],
            axis=1,
        ).astype(np.float64)


def _alike(rows: Any, other: Array) -> Array:
    """The cosine between each row, which is of length 1 or 0, and another vector."""
    return np.asarray(rows @ other / max(float(np.linalg.norm(other)), 1e-9))
