"""A scheduler for more than one objective: stops what is behind, but not what is good at something else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from gradfleet.goal import Goal
from gradfleet.study.front import Front
from gradfleet.study.schedulers.scheduler import Scheduler, Verdict
from gradfleet.training.history import EpochRecord


class AimedScheduler(Scheduler):
    """Judges by the goal's first objective, with two differences.

    What keeps the constraints and what breaks them is judged apart: a large network that is too slow to be used would
    else stop every small one. And with several objectives nobody is stopped that no other trial had beaten in all of
    them after as many epochs.

    Args:
        make: makes the scheduler that judges by the first objective.
    """

    def __init__(self, goal: Goal, make: Callable[[], Scheduler]) -> None:
        self._goal = goal
        self._judges = {feasible: make() for feasible in (True, False)}
        self._fronts: defaultdict[int, Front] = defaultdict(Front)

    @property
    def usual_epochs(self) -> float | None:
        return self._judges[True].usual_epochs

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        verdict = self._judge_of(record).judge(number, record)
        if len(self._goal.objectives) == 1 or self._goal.violation(record.metrics):
            return verdict
        on_front = self._fronts[record.epoch].offer(self._goal.losses(record.metrics))
        return Verdict.GO_ON if on_front and verdict is Verdict.STOP else verdict

    def ended(self, number: int, last: EpochRecord | None) -> None:
        self._judge_of(last).ended(number, last)

    def _judge_of(self, record: EpochRecord | None) -> Scheduler:
        return self._judges[record is None or not self._goal.violation(record.metrics)]
