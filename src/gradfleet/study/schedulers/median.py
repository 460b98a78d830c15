"""The median stopping rule."""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from gradfleet.errors import SettingError
from gradfleet.study.schedulers.checks import count_problems, grace_of, grace_problems, too_late
from gradfleet.study.schedulers.scheduler import Course, Scheduler, Verdict
from gradfleet.training.history import EpochRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """Stops a trial whose best value so far is worse than the median of the other trials' means until that epoch.

    Golovin et al., 2017, "Google Vizier", section 3.2.2; as in Ray Tune, trials that still run count among the others.

    Attributes:
        grace: epochs before a trial is first judged; None is a ninth of all, at least 1.
        min_trials: how many others must have come to the epoch; Optuna's default.

    Raises:
        SettingError: with every setting that cannot be.
    """

    grace: int | None = None
    min_trials: int = 5

    def __post_init__(self) -> None:
        found = [*grace_problems("Median", self.grace), *count_problems("Median", "min_trials", self.min_trials)]
        if found:
            raise SettingError(found)

    @property
    def single(self) -> bool:
        return False

    def problems(self, *, epochs: int, trials: int | None) -> list[str]:
        return too_late("Median", self.grace, epochs)

    def build(self, course: Course) -> MedianScheduler:
        return MedianScheduler(course, grace=grace_of(self.grace, course.epochs), min_trials=self.min_trials)

    def to_json(self) -> dict[str, Any]:
        return {"name": "median", **asdict(self)}


@dataclass(slots=True)
class _Curve:
    best: float = -math.inf
    total: float = 0.0
    records: int = 0


class MedianScheduler(Scheduler):
    def __init__(self, course: Course, *, grace: int, min_trials: int) -> None:
        self._course = course
        self._grace = grace
        self._min_trials = min_trials
        self._curves: dict[int, _Curve] = {}
        self._means: dict[int, list[float]] = {}

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        """NaN is stopped and counts for nobody."""
        score = self._course.score(record.metrics)
        if math.isnan(score):
            return Verdict.STOP
        curve = self._curves.setdefault(number, _Curve())
        curve.best = max(curve.best, score)
        curve.total += score
        curve.records += 1
        others = self._means.setdefault(record.epoch, [])
        behind = record.epoch >= self._grace and len(others) >= self._min_trials and curve.best < median(others)
        insort(others, curve.total / curve.records)
        return Verdict.STOP if behind else Verdict.GO_ON

    def ended(self, number: int, last: EpochRecord | None) -> None:
        self._curves.pop(number, None)
