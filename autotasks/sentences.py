"""Texts as sentences, what can be counted of each, and the choice of some of them as a summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

Array = npt.NDArray[Any]

_CLOSING = "\u2019\u201d\u300d\u300f\uff09"
_ENDS = re.compile(
    r"(?<=[.!?\u0964\u061f\u06d4])[\"')\]]*\s+"  # with a space behind; also the marks of Hindi, Arabic and Urdu
    rf"|(?<=[\u3002\uff01\uff1f\uff61])(?![{_CLOSING}])|(?<=[\u3002\uff01\uff1f\uff61][{_CLOSING}])"
    r"|\n+"
)
_NO_ENDS = re.compile(r"\b(?:Dr|Mrs?|Ms|Prof|Fig|Eq|vs|cf|e\.g|i\.e)\.$")
_PERHAPS_ENDS = re.compile(r"\b(?:(?:[A-Za-z]\.)+[A-Za-z]|al)\.$")  # as "p.m." and "et al.", which may end a sentence
_GOES_ON = re.compile(r"[a-z0-9(]")
_LONGEST_ABBREVIATION = 12  # characters
_CLAUSE_ENDS = re.compile(r"(?<=[;,])\s+|(?<=[\uff0c\uff1b\u3001])|(?<=\u060c)\s+")
_SPACES = re.compile(r"\s+")
# Kana and Han; Thai, Lao, Burmese and Khmer: words have no spaces between them.
_WITHOUT_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")

MOST_SENTENCES = 100
"""Of one text that may become part of its summary; what follows is not read."""

MOST_WORDS = 60
"""Of a sentence. What is longer, such as a transcript without marks, is read as several."""

MOST_CHARACTERS = 480
"""Of a sentence; a third of them where words have no spaces between them."""

_WORDS = re.compile(rf"\s*(?:\S+\s+){{0,{MOST_WORDS - 1}}}\S*\s*")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, and its lines; a text without any is one empty sentence."""
    parts = (part for sentence in _sentences(text) for part in _parts(sentence) if part)
    return list(islice(parts, MOST_SENTENCES)) or [""]


def _sentences(text: str) -> Iterator[str]:
    """One by one, so that of a long text only what is wanted is looked for."""
    start = 0
    for end in _ENDS.finditer(text):
        if _is_abbreviation(text, end):
            continue
        yield text[start : end.start()].strip()
        start = end.end()
    yield text[start:].strip()


def _is_abbreviation(text: str, end: re.Match[str]) -> bool:
    """Whether a mark stands behind an abbreviation within a sentence, as in "Dr. Who" and "at 5 p.m. in Rome"."""
    if "\n" in end[0]:
        return False
    before = text[max(0, end.start() - _LONGEST_ABBREVIATION) : end.start()]
    if _NO_ENDS.search(before):
        return True
    return bool(_PERHAPS_ENDS.search(before) and _GOES_ON.match(text, end.end()))


def _parts(sentence: str) -> Iterator[str]:
    """The sentence whole, or in parts where it is too long: up to a comma or semicolon, else a space, else anywhere."""
    start = 0
    while True:
        window = sentence[start : start + MOST_CHARACTERS]
        room = _room(window)
        if start + room >= len(sentence):
            yield window[:room].strip()
            return
        length = _last_end(_CLAUSE_ENDS, window, room) or _last_end(_SPACES, window, room) or room
        yield window[:length].strip()
        start += length


def _room(window: str) -> int:
    """How many characters from the start on are no more than one sentence."""
    is_dense = 2 * len(_WITHOUT_SPACES.findall(window)) > len(window)
    words = _WORDS.match(window)
    assert words is not None, "it also matches nothing"
    return min(words.end(), MOST_CHARACTERS // 3 if is_dense else MOST_CHARACTERS)


def _last_end(pattern: re.Pattern[str], window: str, room: int) -> int | None:
    """Where the last such place ends, in the second half of the room: before that, too little would stand alone."""
    ends = [found.end() for found in pattern.finditer(window, room // 2, room)]
    return ends[-1] if ends else None


def split_all(texts: Iterable[str]) -> list[list[str]]:
    return [split_sentences(text) for text in texts]


def shortened(sentences: Sequence[str], scores: Array, count: int) -> str:
    """The `count` sentences of the highest scores, in the order of the text."""
    return " ".join(sentences[place] for place in sorted(best_places(scores, count)))


def best_places(scores: Array, count: int) -> list[int]:
    """Where the `count` sentences of the highest scores are, the best first; of equal ones the first in the text."""
    places: list[int] = np.argsort(-scores, kind="stable")[:count].tolist()
    return places


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
