"""Progressive asynchronous successive halving: trials are long only while the order among the best still changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import ClassVar

import numpy

from gradfleet.study.schedulers.halving import Halving
from gradfleet.study.schedulers.scheduler import Course, Move, Resume, Scheduler, Verdict
from gradfleet.training.history import EpochRecord

NOISE_PERCENTILE = 90.0
"""Of the differences between trials whose curves cross and cross back; the paper's N."""

Curve = dict[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasha(Halving):
    """Asha that promotes from rung to rung, and whose highest rung rises only where the order there is not settled.

    Bohdal et al., 2023, arXiv:2207.06940. Trials wait at their rung; the best 1 / reduction_factor of it are promoted.
    When the order in the highest rung is not that in the rung below, up to the noise that is seen in the curves
    themselves, the next rung is opened. Where the order settles early, no trial ever has all its epochs.

    Settings and errors are those of `Halving`.
    """

    name: ClassVar[str] = "pasha"
    single: ClassVar[bool] = True

    def build(self, course: Course) -> PashaScheduler:
        levels = sorted({*map(math.ceil, self.milestones(course.epochs)), course.epochs})
        return PashaScheduler(course, levels, self.reduction_factor)


class PashaScheduler(Scheduler):
    """
    Args:
        levels: the epochs of the rungs; the last one is a trial's last epoch.
    """

    def __init__(self, course: Course, levels: list[int], reduction_factor: float) -> None:
        self._course = course
        self._levels = levels
        self._factor = reduction_factor
        self._top = min(1, len(levels) - 1)
        self._rungs: list[dict[int, float]] = [{} for _ in levels]
        self._waiting: dict[int, int] = {}
        self._curves: dict[int, Curve] = {}

    @property
    def milestones(self) -> tuple[int, ...]:
        return tuple(self._levels[:-1])

    @property
    def epochs(self) -> int:
        """How far a trial may come at present."""
        return self._levels[self._top]

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        """NaN is stopped and enters no rung."""
        score = self._course.score(record.metrics)
        if math.isnan(score):
            return Verdict.STOP
        self._waiting.pop(number, None)  # a record after its rung's is the sign that it was promoted
        self._curves.setdefault(number, {})[record.epoch] = score
        rung = self._rung_of(record.epoch)
        if rung is None or number in self._rungs[rung]:
            return Verdict.GO_ON
        self._enter(number, rung, score)
        if self.next_move() != Resume(number):
            return Verdict.PAUSE
        self.made(Resume(number))
        return Verdict.GO_ON

    def ended(self, number: int, last: EpochRecord | None) -> None:
        self._waiting.pop(number, None)

    def next_move(self) -> Move | None:
        """The best trial that waits in the highest rung with one to promote."""
        for rung in range(self._top - 1, -1, -1):
            scores = self._rungs[rung]
            promotable = _best_first(scores)[: int(len(scores) / self._factor)]
            for number in promotable:
                if self._waiting.get(number) == rung:
                    return Resume(number)
        return None

    def made(self, move: Move) -> None:
        assert isinstance(move, Resume), "nothing else was asked for"
        del self._waiting[move.number]

    def why_waiting(self, number: int) -> str:
        return f"It was not promoted beyond epoch {self._levels[self._waiting[number]]}."

    def _rung_of(self, epoch: int) -> int | None:
        """The highest rung that this epoch has reached."""
        reached = [rung for rung, level in enumerate(self._levels) if level <= epoch]
        return reached[-1] if reached else None

    def _enter(self, number: int, rung: int, score: float) -> None:
        self._rungs[rung][number] = score
        self._waiting[number] = rung
        if rung == self._top and self._top < len(self._levels) - 1 and not self._is_settled():
            self._top += 1

    def _is_settled(self) -> bool:
        """Whether each place in the highest rung is held by a trial that is, up to noise, as good in the rung below."""
        above = self._rungs[self._top]
        below = {number: self._rungs[self._top - 1].get(number, -math.inf) for number in above}
        noise = noise_of([self._curves[number] for number in above])
        return all(
            abs(below[holder] - below[number]) <= noise
            for holder, number in zip(_best_first(below), _best_first(above), strict=True)
            if holder != number
        )


def noise_of(curves: list[Curve]) -> float:
    """How far trials may be apart whose order says nothing.

    Of the pairs whose order changes and changes back, the differences in the last epoch that both have; of these the
    90th percentile, and 0 when there is no such pair.
    """
    differences = []
    for one, other in combinations(curves, 2):
        shared = sorted(one.keys() & other.keys())
        gaps = [one[epoch] - other[epoch] for epoch in shared]
        signs = [gap > 0 for gap in gaps if gap]
        if sum(before is not after for before, after in pairwise(signs)) >= 2:
            differences.append(abs(gaps[-1]))
    return float(numpy.percentile(differences, NOISE_PERCENTILE)) if differences else 0.0


def _best_first(scores: dict[int, float]) -> list[int]:
    return sorted(scores, key=lambda number: (-scores[number], number))
