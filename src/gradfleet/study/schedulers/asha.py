"""Asynchronous successive halving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from gradfleet.study.schedulers.halving import Halving
from gradfleet.study.schedulers.rungs import Rungs
from gradfleet.study.schedulers.scheduler import Course, Scheduler, Verdict
from gradfleet.training.history import EpochRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Asha(Halving):
    """Stops trials that are not among the best 1 / reduction_factor of those that came to the same rung before.

    Li et al., 2020, arXiv:1810.05934, one bracket.

    Settings and errors are those of `Halving`.
    """

    name: ClassVar[str] = "asha"

    def build(self, course: Course) -> AshaScheduler:
        return AshaScheduler(course, Rungs(self.milestones(course.epochs), self.reduction_factor))


class AshaScheduler(Scheduler):
    """One set of rungs for all trials, so that nothing random decides who is compared with whom."""

    def __init__(self, course: Course, rungs: Rungs) -> None:
        self._course = course
        self._rungs = rungs

    @property
    def usual_epochs(self) -> float:
        return self._rungs.usual_epochs(self._course.epochs)

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        """NaN is stopped and enters no rung: it would spoil the comparison there."""
        score = self._course.score(record.metrics)
        goes_on = not math.isnan(score) and self._rungs.climbs(number, record.epoch, score)
        return Verdict.GO_ON if goes_on else Verdict.STOP

    def ended(self, number: int, last: EpochRecord | None) -> None:
        """A trial's last record enters a rung that it has reached and was not seen at."""
        if last is not None and not math.isnan(score := self._course.score(last.metrics)):
            self._rungs.climbs(number, last.epoch, score)
