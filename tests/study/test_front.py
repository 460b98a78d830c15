"""The Pareto front, and a scheduler that leaves it alone."""

from __future__ import annotations

import random

import pytest

from gradfleet.constraint import Constraint
from gradfleet.goal import Goal
from gradfleet.objective import Objective
from gradfleet.study.front import Front, dominates, undominated
from gradfleet.study.schedulers.aimed_scheduler import AimedScheduler
from gradfleet.study.schedulers.scheduler import Scheduler, Verdict
from gradfleet.training.history import EpochRecord

ACCURACY, SIZE = Objective("accuracy", "max"), Objective("size", "min")


def test_the_front_is_what_a_comparison_of_all_pairs_gives() -> None:
    random.seed(0)
    losses = {number: (random.randint(0, 9), random.randint(0, 9), random.randint(0, 9)) for number in range(200)}
    by_pairs = {
        number for number, mine in losses.items() if not any(dominates(other, mine) for other in losses.values())
    }
    assert set(undominated(losses)) == by_pairs


def test_equals_stand_side_by_side_and_no_number_is_never_on_the_front() -> None:
    assert undominated({0: (1.0, 2.0), 1: (1.0, 2.0), 2: (2.0, 1.0), 3: (2.0, 2.0)}) == [0, 1, 2]
    assert undominated({0: (0.0, float("inf"))}) == []


def test_a_front_moves_only_for_what_nothing_on_it_beats() -> None:
    front = Front()
    assert [front.offer(point) for point in [(2.0, 2.0), (3.0, 3.0), (2.0, 2.0), (1.0, 4.0), (1.0, 1.0)]] == [
        True,
        False,
        False,
        True,
        True,
    ]


class Strict(Scheduler):
    """Stops whatever is behind the best accuracy that it has seen."""

    def __init__(self) -> None:
        self.best = 0.0

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        self.best = max(self.best, record["accuracy"])
        return Verdict.GO_ON if record["accuracy"] >= self.best else Verdict.STOP

    def ended(self, number: int, last: EpochRecord | None) -> None: ...


def verdicts(goal: Goal, *records: tuple[float, float]) -> list[bool]:
    scheduler = AimedScheduler(goal, Strict)
    return [
        scheduler.judge(number, EpochRecord(1, {"accuracy": accuracy, "size": size})) is Verdict.GO_ON
        for number, (accuracy, size) in enumerate(records)
    ]


@pytest.mark.row_part("SE12")
def test_a_trial_on_the_front_is_not_stopped_for_being_behind_in_the_first_objective() -> None:
    both = Goal((ACCURACY, SIZE))
    assert verdicts(both, (0.9, 100.0), (0.5, 10.0), (0.4, 50.0), (0.4, 5.0)) == [True, True, False, True]


@pytest.mark.row_part("SE12")
def test_what_breaks_a_constraint_sets_no_bar_for_what_keeps_it() -> None:
    small = Goal((ACCURACY,), (Constraint("size", "<=", 20.0),))
    assert verdicts(small, (0.9, 100.0), (0.5, 10.0), (0.8, 100.0), (0.4, 10.0)) == [True, True, False, False]
