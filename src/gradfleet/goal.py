"""Several objectives, constraints on them, and how they make one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gradfleet.constraint import Constraint
from gradfleet.errors import SettingError
from gradfleet.objective import Mode, Objective

SPREAD = ("std", "median", "min", "max")
"""What a repeated trial's record says of each metric beside its mean, as `val_accuracy_std` and so on."""

OWN = "run_"
"""Before the name of a metric: that of the last run of a repeated trial alone."""

NUM_RUNS = "num_runs"
"""The metric that says how many runs of a trial a record is the mean of, where trials are repeated or folded."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a search is after, where that is more than one objective; it reads records as an `Objective` does.

    The first objective decides which trial, and which record of one, is the best: of those that keep the constraints,
    and of those that break them least while none does. Where trials are repeated, a mean over more runs goes first.

    Attributes:
        num_runs: how many runs a trial that is not stopped has, one a fold and repeat.

    Raises:
        SettingError: no objective, a metric twice, or constraints that no trial could keep.
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    num_runs: int = 1

    def __post_init__(self) -> None:
        problems = [] if self.objectives else ["A search needs an objective, got none."]
        problems += [
            f"Each metric is one objective, got {metric!r} as {' and as '.join(modes)}. Take one of them out."
            for metric, modes in self._modes().items()
            if len(modes) > 1
        ]
        problems += [
            f"No trial can keep both {least} and {most}. Change one of them."
            for least in self.constraints
            for most in self.constraints
            if least.metric == most.metric and (least.relation, most.relation) == (">=", "<=")
            if least.limit > most.limit
        ]
        if problems:
            raise SettingError(problems)

    def _modes(self) -> dict[str, list[Mode]]:
        modes: dict[str, list[Mode]] = {}
        for objective in self.objectives:
            modes.setdefault(objective.metric, []).append(objective.mode)
        return modes

    @property
    def metric(self) -> str:
        """Of the first objective."""
        return self.objectives[0].metric

    @property
    def mode(self) -> Mode:
        """Of the first objective."""
        return self.objectives[0].mode

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that a record must have: those of the objectives, then those of the constraints."""
        named = [*(one.metric for one in self.objectives), *(one.metric for one in self.constraints)]
        return tuple(dict.fromkeys(named))

    def value(self, metrics: Mapping[str, float]) -> float:
        """The first objective's value in one record's metrics.

        Raises:
            SettingError: the record lacks the metric of an objective or of a constraint; those it has are listed.
        """
        present = ", ".join(sorted(metrics)) or "none"
        for constraint in self.constraints:
            if constraint.metric not in metrics:
                raise SettingError(
                    f"The constraint {constraint} needs the metric {constraint.metric!r}, but the record has no such "
                    f"metric. It has: {present}."
                )
        first, *_ = [objective.value(metrics) for objective in self.objectives]
        return first

    def better(self, value: float, *, than: float | None) -> bool:
        """Whether `value` of the first objective beats `than`, as `Objective.better` says."""
        return self.objectives[0].better(value, than=than)

    def reached(self, value: float, target: float | None) -> bool:
        """Whether `value` of the first objective is at least as good as `target`; False without a target."""
        return self.objectives[0].reached(value, target)

    def rank(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """A sort key, smaller is better: more runs, then less violation, then the first objective's own rank."""
        runs = metrics.get(NUM_RUNS, 1.0) if self.num_runs > 1 else 1.0
        return (-runs, self.violation(metrics), *self.objectives[0].rank(metrics))

    def violation(self, metrics: Mapping[str, float]) -> float:
        """By how much the constraints are broken together, each as a part of its limit; 0 where all are kept."""
        return sum(max(0.0, excess) for excess in self.excesses(metrics).values())

    def excesses(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """By how much each constraint, by its text, is broken; zero or less where it is kept."""
        return {str(constraint): constraint.excess(metrics) for constraint in self.constraints}

    def final(self, metrics: Mapping[str, float]) -> bool:
        """Whether a record may end the search at a target: it keeps the constraints and is the mean of all runs."""
        return not self.violation(metrics) and (self.num_runs == 1 or metrics.get(NUM_RUNS) == self.num_runs)

    def losses(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Each objective as a number that is better the smaller it is; infinity for NaN or none."""
        return tuple(objective.rank(metrics)[0] for objective in self.objectives)

    def to_json(self) -> dict[str, Any]:
        return {
            "objectives": [objective.to_json() for objective in self.objectives],
            "constraints": [str(constraint) for constraint in self.constraints],
            "num_runs": self.num_runs,
        }


Aim: TypeAlias = Objective | Goal
"""What decides between records and trials; both read them by the same names."""


def aim(
    objective: Objective | Sequence[Objective],
    constraints: Constraint | str | Iterable[Constraint | str] = (),
    *,
    num_runs: int = 1,
) -> Aim:
    """The objective itself where it is all there is, else a `Goal`.

    Raises:
        SettingError: these cannot go together.
    """
    objectives: tuple[Objective, ...] = _in_tuple(objective)
    if not all(isinstance(one, Objective) for one in objectives):
        raise SettingError(f"An objective is Objective(metric, mode) or several of them in a list, got {objective!r}.")
    limits = tuple(Constraint.of(constraint) for constraint in _in_tuple(constraints))
    if len(objectives) == 1 and not limits and num_runs == 1:
        return objectives[0]
    return Goal(objectives, limits, num_runs)


def _in_tuple(given: object) -> tuple[Any, ...]:
    """Several as they are, one alone as the only one; a text is one."""
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


def aim_from_json(fields: Mapping[str, Any]) -> Aim:
    """What `to_json` of an objective or a goal wrote."""
    if "objectives" not in fields:
        return Objective(**fields)
    return aim([Objective(**one) for one in fields["objectives"]], fields["constraints"], num_runs=fields["num_runs"])
