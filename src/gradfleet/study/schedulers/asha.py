"""Asynchronous successive halving."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from gradfleet.errors import SettingError
from gradfleet.study.scheduler import Course, Scheduler, Verdict
from gradfleet.study.schedulers.checks import factor_problems, grace_of, grace_problems, too_late
from gradfleet.study.schedulers.rungs import Rungs, ladder
from gradfleet.training.history import EpochRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Asha:
    """Stops trials that are not among the best 1 / reduction_factor of those that came to the same rung before.

    Li et al., 2020, arXiv:1810.05934, one bracket. The factor of 3 is the authors'; the first rung at a ninth of the
    epochs leaves two chances to be stopped.

    Attributes:
        grace: epochs before the first rung; None is a ninth of all, at least 1.
        reduction_factor: each rung is so many times as far as the one before.

    Raises:
        SettingError: with every setting that cannot be.
    """

    grace: int | None = None
    reduction_factor: float = 3

    def __post_init__(self) -> None:
        if found := [*grace_problems("Asha", self.grace), *factor_problems("Asha", self.reduction_factor)]:
            raise SettingError(found)

    @property
    def single(self) -> bool:
        return False

    def problems(self, *, epochs: int, trials: int | None) -> list[str]:
        return too_late("Asha", self.grace, epochs)

    def build(self, course: Course) -> AshaScheduler:
        milestones = ladder(grace_of(self.grace, course.epochs), self.reduction_factor, course.epochs)
        return AshaScheduler(course, Rungs(milestones, self.reduction_factor))

    def to_json(self) -> dict[str, Any]:
        return {"name": "asha", **asdict(self)}


class AshaScheduler(Scheduler):
    """One set of rungs for all trials, so that nothing random decides who is compared with whom."""

    def __init__(self, course: Course, rungs: Rungs) -> None:
        self._course = course
        self._rungs = rungs

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        """NaN is stopped and enters no rung: it would spoil the comparison there."""
        score = self._course.score(record.metrics)
        goes_on = not math.isnan(score) and self._rungs.climbs(number, record.epoch, score)
        return Verdict.GO_ON if goes_on else Verdict.STOP

    def ended(self, number: int, last: EpochRecord | None) -> None:
        """A trial's last record enters a rung that it has reached and was not seen at."""
        if last is not None and not math.isnan(score := self._course.score(last.metrics)):
            self._rungs.climbs(number, last.epoch, score)
