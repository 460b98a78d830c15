"""Why trials failed: like causes counted together, and a search whose trials all fail of one given up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from gradfleet.study.storage.rows import TrialRow

GIVE_UP = 10
"""The first trials that may all fail of the same cause: where half of a space fails, one search in a thousand ends so
by chance."""

_SHOWN = 5  # causes at most; the rest is counted
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def cause(trial: TrialRow) -> str:
    """One line on why a trial failed: its reason, else the last line of its traceback."""
    lines = (trial.traceback or "").strip().splitlines()
    return trial.reason or (lines[-1].strip() if lines else "no reason was recorded")


def counted(causes: Iterable[str]) -> list[tuple[str, int]]:
    """Each cause with how often it came, the most frequent first; what differs in numbers only is the first of them."""
    first: dict[str, str] = {}
    counts = Counter(first.setdefault(_kind(one), one) for one in causes)
    return counts.most_common()


def listed(causes: Iterable[str]) -> str:
    """The causes in one line, as in `out of memory (9), ValueError: no such kernel (3)`."""
    every = counted(causes)
    parts = [f"{one.rstrip('.')} ({times})" for one, times in every[:_SHOWN]]
    rest = sum(times for _, times in every[_SHOWN:])
    return ", ".join([*parts, f"others ({rest})"] if rest else parts)


def causes(trials: Iterable[TrialRow]) -> list[str]:
    """The causes of all trials that failed."""
    return [cause(trial) for trial in trials if trial.state == "FAIL"]


def why_none(name: str, trials: Sequence[TrialRow], metric: str) -> str:
    """Why no trial of a study has a result.

    Args:
        metric: the objective's.
    """
    failed = causes(trials)
    numberless = [trial.number for trial in trials if trial.state in ("COMPLETE", "PRUNED")]
    if not trials:
        return f"No trial of study {name!r} has begun yet."
    if not (failed or numberless):
        return f"No trial of study {name!r} has a result yet: {len(trials)} were started, none has ended with one."
    parts = []
    if failed:
        parts.append(f"{len(failed)} of {len(trials)} failed: {listed(failed)}. The tracebacks are in study.trials.")
    if numberless:
        parts.append(
            f"{len(numberless)} of {len(trials)} ended, and {metric!r} was never a number in them. Look where it "
            f"becomes NaN in study.history({numberless[0]}); then lower the learning rates, or mend the metric."
        )
    return f"No trial of study {name!r} has a result: {' '.join(parts)}"


class Despair:
    """Listens to how the first trials of a search end.

    Args:
        limit: how many may fail alike; None never gives up.
        hope: whether a trial of the study has ended otherwise already.
    """

    def __init__(self, limit: int | None, *, hope: bool) -> None:
        self._limit = None if hope else limit
        self._causes: list[str] = []

    def ended(self, failure: str | None) -> str | None:
        """A trial has ended, by this failure or well; why the search is given up, as a sentence, once it is."""
        if failure is None or (self._causes and _kind(failure) != _kind(self._causes[0])):
            self._limit = None
        if self._limit is None:
            return None
        self._causes.append(failure or "")
        if len(self._causes) < self._limit:
            return None
        return (
            f"The search was given up, because its first {self._limit} trials failed alike. "
            "Pass give_up=None to try on whatever fails."
        )


def _kind(cause: str) -> str:
    return _NUMBER.sub("#", cause)
