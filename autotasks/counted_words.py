"""Words of the training texts, counted once a sweep: the terms, how rare each is, and the weights in each text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse

from gradfleet.tasks import FeatureCache

WORDS = r"\w+|[^\w\s]"
"""Words and single marks: an exclamation or a smiley says something."""

_TERMS, _RARITY, _FEATURES = "terms.json", "rarity.npy", "features.npz"


@dataclass(frozen=True, slots=True)
class CountedWords:
    """TF-IDF as it was fitted on texts.

    Attributes:
        rarity: of each term, its inverse document frequency.
        features: of those texts, sparse, (texts, terms).
    """

    terms: list[str]
    rarity: npt.NDArray[np.float64]
    features: scipy.sparse.csr_matrix

    @classmethod
    def of(cls, texts: Sequence[str], longest: int, cache: FeatureCache) -> Self:
        """Of the training texts: fitted by the first who asks, read by the others.

        Args:
            longest: words of the longest sequences that count as terms.
        """
        place = cache.files(["counted words", longest], lambda folder: cls.fit(texts, longest).write(folder))
        return cls.read(place)

    @classmethod
    def fit(cls, texts: Sequence[str], longest: int) -> Self:
        from sklearn.feature_extraction.text import TfidfVectorizer

        fitted = TfidfVectorizer(sublinear_tf=True, **_terms(longest))
        try:
            features = fitted.fit_transform(texts)
        except ValueError:  # not one word in all the texts
            fitted.fit(["nothing"])
            features = fitted.transform(texts)
        return cls(fitted.get_feature_names_out().tolist(), fitted.idf_, features.tocsr())

    def write(self, folder: Path) -> None:
        (folder / _TERMS).write_text(json.dumps(self.terms), encoding="utf-8")
        np.save(folder / _RARITY, self.rarity)
        scipy.sparse.save_npz(folder / _FEATURES, self.features, compressed=False)

    @classmethod
    def read(cls, folder: Path) -> Self:
        terms = json.loads((folder / _TERMS).read_text(encoding="utf-8"))
        return cls(terms, np.load(folder / _RARITY), scipy.sparse.load_npz(folder / _FEATURES).tocsr())


def counter(terms: Sequence[str], longest: int) -> Any:
    """Scikit-learn's, which counts these terms in texts: words, and sequences of at most `longest` of them."""
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(vocabulary={term: number for number, term in enumerate(terms)}, **_terms(longest))


def _terms(longest: int) -> dict[str, Any]:
    """What is a term, as scikit-learn is told."""
    return {"ngram_range": (1, longest), "token_pattern": WORDS}
