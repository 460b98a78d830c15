"""ROUGE by the library that is its reference in Python, with stemming as papers report it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

NAMES = ("rouge1", "rouge2", "rougeL")
_LATIN = re.compile(r"[a-z]", re.IGNORECASE)
_WRITTEN_ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # kana and Han, which have no spaces between words
_WORDS = re.compile(rf"[{_WRITTEN_ALONE}]|[^\W_{_WRITTEN_ALONE}]+")


def rouge(found: Sequence[str], wanted: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of each text, F-measures from 0 to 1.

    The library knows the letters a to z alone. Where most of what is wanted is written in others, words are runs of
    letters, and signs of Chinese and Japanese are words of their own.
    """
    scores = [_scorer(NAMES, _is_latin(target)).score(target, text) for text, target in zip(found, wanted, strict=True)]
    return {name: np.array([score[name].fmeasure for score in scores]) for name in NAMES}


def rouge1_of(found: Sequence[str], wanted: Sequence[str]) -> list[float]:
    """ROUGE-1 alone, which takes a fraction of the time."""
    pairs = zip(found, wanted, strict=True)
    return [_scorer(("rouge1",), _is_latin(target)).score(target, text)["rouge1"].fmeasure for text, target in pairs]


class _StemmedWords:
    """Splits as the library does; what a word is stemmed to is looked up where it came before, which is most of it."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self.stem = lru_cache(2**17)(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenize import tokenize

        words: list[str] = tokenize(text, self)
        return words


class _AnyWords:
    """Splits texts of any script; what `RougeScorer` takes as a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return _WORDS.findall(text.lower())


def _is_latin(text: str) -> bool:
    letters = sum(map(str.isalpha, text))
    return 2 * len(_LATIN.findall(text)) >= letters


@lru_cache
def _scorer(names: tuple[str, ...], is_latin: bool) -> Any:  # noqa: FBT001  # a key of the cache
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(names), tokenizer=_StemmedWords() if is_latin else _AnyWords())
