"""Hyperband: several brackets of successive halving, from the bold to the cautious."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from gradfleet.errors import SettingError
from gradfleet.study.scheduler import Course, Scheduler, Verdict
from gradfleet.study.schedulers.asha import AshaScheduler
from gradfleet.study.schedulers.checks import factor_problems, grace_of, grace_problems, too_late
from gradfleet.study.schedulers.rungs import Rungs, ladder
from gradfleet.training.history import EpochRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperband:
    """Hedges between stopping early and late: each bracket halves like Asha, and begins a rung later than the last one.

    Li et al., 2018, arXiv:1603.06560, with each bracket halved asynchronously (Li et al., 2020, section 3.2). How many
    trials a bracket gets is the paper's; which one a trial belongs to follows from its number alone.

    Attributes:
        grace: epochs before the first rung of the boldest bracket; None is a ninth of all, at least 1.
        reduction_factor: each rung is so many times as far as the one before.

    Raises:
        SettingError: with every setting that cannot be.
    """

    grace: int | None = None
    reduction_factor: float = 3

    def __post_init__(self) -> None:
        if found := [*grace_problems("Hyperband", self.grace), *factor_problems("Hyperband", self.reduction_factor)]:
            raise SettingError(found)

    @property
    def single(self) -> bool:
        return False

    def problems(self, *, epochs: int, trials: int | None) -> list[str]:
        return too_late("Hyperband", self.grace, epochs)

    def build(self, course: Course) -> HyperbandScheduler:
        milestones = ladder(grace_of(self.grace, course.epochs), self.reduction_factor, course.epochs)
        sizes = bracket_sizes(len(milestones), self.reduction_factor)
        rungs = [Rungs(milestones[later:], self.reduction_factor) for later in range(len(sizes))]
        return HyperbandScheduler([AshaScheduler(course, each) for each in rungs], turns(sizes))

    def to_json(self) -> dict[str, Any]:
        return {"name": "hyperband", **asdict(self)}


class HyperbandScheduler(Scheduler):
    """Hands each trial to its bracket."""

    def __init__(self, brackets: list[AshaScheduler], turns: list[int]) -> None:
        self._brackets = brackets
        self._turns = turns

    def bracket(self, number: int) -> int:
        """The bracket of a trial; 0 is the boldest."""
        return self._turns[number % len(self._turns)]

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
