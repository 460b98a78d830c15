"""Polarity: how good or bad a label is, from -1 to 1, by the ways in which people write it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gradfleet.errors import DataError
from gradfleet.tasks import by_label

_WORDS = {
    -1.0: ("negative", "neg", "bad", "false", "no", "n", "unhappy", "dislike", "sad", "down", "thumbs down", "poor"),
    0.0: ("neutral", "neu", "mixed", "none", "objective", "ok", "okay", "average"),
    1.0: ("positive", "pos", "good", "true", "yes", "y", "happy", "like", "glad", "up", "thumbs up", "great"),
}
_OF_WORD = {word: polarity for polarity, words in _WORDS.items() for word in words}
_STRONG = re.compile(r"^(very|strongly|extremely|highly|most)\s+")
_NUMBER = re.compile(r"^([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(?:stars?|points?|★|/\s*\d+)?$")


def polarities(labels: Sequence[object], said: Mapping[Any, float] | None = None) -> dict[str, float]:
    """The polarity of each label: 1 is as good as it gets here, 0 neither good nor bad, -1 as bad.

    Numbers below and above zero keep their proportions (-1, 0, 1); others, such as 1 to 5 stars, run from the lowest
    to the highest. Words are positive, negative, neutral and others for them; where some are called very positive or
    very negative, the plain ones are half of that.

    Args:
        said: polarities that the user gives, all of them.

    Raises:
        DataError: labels whose polarity nobody can know, or polarities of other labels or out of range.
    """
    names = [str(label) for label in labels]
    if said is not None:
        return _checked(names, by_label(said, names))
    for read in (_numbers, _words):
        found = read(names)
        if found is not None:
            return found
    unknown = [name for name in names if _word(name) is None and _number(name) is None] or names
    raise DataError(
        f"No polarity is known of {'the label' if len(unknown) == 1 else 'the labels'} "
        f"{', '.join(map(repr, unknown[:8]))}. Known are numbers, stars, and words such as positive, neutral and "
        f"negative; say it with polarities={{{names[0]!r}: -1.0, {names[-1]!r}: 1.0, ...}}, or learn any labels with "
        "text-classification."
    )


def _checked(names: Sequence[str], said: Mapping[str, Any]) -> dict[str, float]:
    problems = [f"polarities= says nothing of the label {name!r}." for name in names if name not in said]
    problems += [f"polarities= speaks of {name!r}, which is no label here." for name in said if name not in names]
    problems += [
        f"A polarity is from -1 to 1, got {value} for {name!r}."
        for name, value in said.items()
        if not isinstance(value, int | float) or not -1 <= value <= 1
    ]
    if problems:
        raise DataError(problems)
    return {name: float(said[name]) for name in names}


def _numbers(names: Sequence[str]) -> dict[str, float] | None:
    known = [(name, number) for name in names if (number := _number(name)) is not None]
    if len(known) < len(names):
        return None
    numbers = dict(known)
    low, high = min(numbers.values()), max(numbers.values())
    if low < 0:
        largest = max(-low, high)
        return {name: number / largest for name, number in numbers.items()}
    return {name: 2 * (number - low) / (high - low) - 1 for name, number in numbers.items()}


def _words(names: Sequence[str]) -> dict[str, float] | None:
    known = [(name, word) for name in names if (word := _word(name)) is not None]
    if len(known) < len(names):
        return None
    plain = 0.5 if any(strong for _, (_, strong) in known) else 1.0
    return {name: polarity * (1.0 if strong else plain) for name, (polarity, strong) in known}


def _number(name: str) -> float | None:
    text = name.strip().lower()
    if text and set(text) == {"★"}:
        return float(len(text))
    found = _NUMBER.match(text)
    return None if found is None else float(found[1])


def _word(name: str) -> tuple[float, bool] | None:
    """The polarity of a word, and whether it is said to be strong."""
    text = re.sub(r"[\s_-]+", " ", name.strip().lower())
    rest = _STRONG.sub("", text)
    return None if rest not in _OF_WORD else (_OF_WORD[rest], rest != text)
