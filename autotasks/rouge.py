"""ROUGE by the library that is its reference in Python, with stemming as papers report it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

NAMES = ("rouge1", "rouge2", "rougeL")


def rouge(found: Sequence[str], wanted: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of each text, F-measures from 0 to 1."""
    scores = [_scorer(NAMES).score(target, text) for text, target in zip(found, wanted, strict=True)]
    return {name: np.array([score[name].fmeasure for score in scores]) for name in NAMES}


def rouge1_of(found: Sequence[str], wanted: Sequence[str]) -> list[float]:
    """ROUGE-1 alone, which takes a fraction of the time."""
    scorer = _scorer(("rouge1",))
    return [scorer.score(target, text)["rouge1"].fmeasure for text, target in zip(found, wanted, strict=True)]


@lru_cache
def _scorer(names: tuple[str, ...]) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(names), use_stemmer=True)
