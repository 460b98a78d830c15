"""Hyperband: several brackets of successive halving, from the bold to the cautious."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from gradfleet.study.schedulers.asha import AshaScheduler
from gradfleet.study.schedulers.halving import Halving
from gradfleet.study.schedulers.rungs import Rungs
from gradfleet.study.schedulers.scheduler import Course, Scheduler, Verdict
from gradfleet.training.history import EpochRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperband(Halving):
    """Hedges between stopping early and late: each bracket halves like Asha, and begins a rung later than the last one.

    Li et al., 2018, arXiv:1603.06560, with each bracket halved asynchronously (Li et al., 2020, section 3.2). How many
    trials a bracket gets is the paper's; which one a trial belongs to follows from its number alone.

    Settings and errors are those of `Halving`.
    """

    name: ClassVar[str] = "hyperband"

    def build(self, course: Course) -> HyperbandScheduler:
        milestones = self.milestones(course.epochs)
        sizes = bracket_sizes(len(milestones), self.reduction_factor)
        rungs = [Rungs(milestones[later:], self.reduction_factor) for later in range(len(sizes))]
        return HyperbandScheduler([AshaScheduler(course, each) for each in rungs], turns(sizes))


class HyperbandScheduler(Scheduler):
    """Hands each trial to its bracket."""

    def __init__(self, brackets: list[AshaScheduler], turns: list[int]) -> None:
        self._brackets = brackets
        self._turns = turns

    def bracket(self, number: int) -> int:
        """The bracket of a trial; 0 is the boldest."""
        return self._turns[number % len(self._turns)]

    @property
    def usual_epochs(self) -> float:
        return fmean(self._brackets[turn].usual_epochs for turn in self._turns)

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        return self._brackets[self.bracket(number)].judge(number, record)

    def ended(self, number: int, last: EpochRecord | None) -> None:
        self._brackets[self.bracket(number)].ended(number, last)


def bracket_sizes(most_halvings: int, reduction_factor: float) -> list[int]:
    """How many trials each bracket starts in one round, the boldest first, as in the paper's algorithm 1.

    Example:
        >>> bracket_sizes(4, 3)
        [81, 34, 15, 8, 5]
    """
    return [
        math.ceil((most_halvings + 1) * reduction_factor**halvings / (halvings + 1))
        for halvings in range(most_halvings, -1, -1)
    ]


def turns(sizes: list[int]) -> list[int]:
    """One round's brackets in turn, evenly mixed: a search that ends early has had its share of each.

    Example:
        >>> turns([3, 2, 1])
        [0, 1, 0, 2, 1, 0]
    """
    total, credit, order = sum(sizes), [0] * len(sizes), []
    for _ in range(total):
        credit = [had + size for had, size in zip(credit, sizes, strict=True)]
        chosen = credit.index(max(credit))
        credit[chosen] -= total
        order.append(chosen)
    return order
