"""Which trial is better: the best record of each, and the one order in which everything ranks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Self

from gradfleet.goal import SPREAD, Aim, Goal
from gradfleet.study.front import undominated
from gradfleet.study.storage.rows import RecordRow, TrialRow

Key = tuple[tuple[float, ...], int]
"""Of a trial that may be best: smaller is better."""

Cell = Callable[[TrialRow, float], Any]
"""What a column shows of a trial, at a Unix time."""

_COLUMNS: Mapping[str, Cell] = {
    "trial": lambda trial, _: trial.number,
    "value": lambda trial, _: trial.value,
    "state": lambda trial, _: trial.state,
    "best_epoch": lambda trial, _: trial.best_epoch,
    "epochs": lambda trial, _: trial.epochs,
    "seconds": lambda trial, now: (trial.ended if trial.ended is not None else now) - trial.started,
    "reason": lambda trial, _: trial.reason,
    "starred": lambda trial, _: trial.starred,
    "note": lambda trial, _: trial.note,
}


def ranked(trials: Iterable[TrialRow], records: Iterable[RecordRow], objective: Aim) -> list[tuple[int, RecordRow]]:
    """The trials that may be best, best first, each with its best record; see `Ranking`.

    Args:
        records: the best record of each trial; others do no harm.
    """
    rows = list(trials)
    best_epochs = {trial.number: trial.best_epoch for trial in rows}
    best = {record.number: record for record in records if best_epochs.get(record.number) == record.epoch}
    ranking = Ranking(objective).changed(rows, best)
    return [(number, best[number]) for number in ranking.usable]


@dataclass(frozen=True)
class Ranking:
    """The trials of a study at one moment, and their order.

    Those may be best that are COMPLETE or PRUNED and have a number for the objective. With several objectives the first
    decides, and those that break a constraint come last. Equal values are told apart by a loss (see `Objective.rank`),
    then by the lower trial number.

    Attributes:
        trials: all, by number, in its order.
        records: the best record of each trial that has one, by number.
    """

    objective: Aim
    trials: Mapping[int, TrialRow] = field(default_factory=dict)
    records: Mapping[int, RecordRow] = field(default_factory=dict)
    _keys: Mapping[int, Key] = field(default_factory=dict, repr=False)

    def changed(self, trials: Iterable[TrialRow], records: Mapping[int, RecordRow]) -> Self:
        """The ranking with these trials as they are now.

        Args:
            records: the best record of each of these that has one, by number.
        """
        now = {trial.number: trial for trial in trials}
        keys = {number: key for number, key in self._keys.items() if number not in now}
        for number, trial in now.items():
            if trial.state in ("COMPLETE", "PRUNED") and trial.value is not None and number in records:
                keys[number] = (self.objective.rank(records[number].metrics), number)
        all_trials = dict(sorted({**self.trials, **now}.items()))
        return replace(self, trials=all_trials, records={**self.records, **records}, _keys=keys)

    @cached_property
    def usable(self) -> Sequence[int]:
        """The numbers of the trials that may be best, best first."""
        return sorted(self._keys, key=self._keys.__getitem__)

    @cached_property
    def listed(self) -> Sequence[int]:
        """All numbers: those that may be best, then those that run, then those without a usable result."""
        others = [trial for trial in self.trials.values() if trial.number not in self._keys]
        return [*self.usable, *(trial.number for trial in sorted(others, key=lambda one: one.state != "RUNNING"))]

    @cached_property
    def front(self) -> Sequence[int]:
        """The trials that no other beats in every objective, best of the first objective first.

        Trials that break a constraint, or were stopped before the last of their runs, are not among them.
        """
        final = {number: metrics for number in self.usable if self.objective.final(metrics := self._metrics(number))}
        found = set(undominated({number: self.objective.losses(metrics) for number, metrics in final.items()}))
        return [number for number in final if number in found]

    @cached_property
    def columns(self) -> Mapping[str, Cell]:
        """What can be shown of each trial: a trial's own, what a goal adds, then the configuration's."""
        own = {**_COLUMNS, **self._goals_columns()}
        names = self.dimensions
        return own | {(f"config.{name}" if name in own else name): partial(_value, name=name) for name in names}

    @cached_property
    def dimensions(self) -> Sequence[str]:
        """Every name in a configuration."""
        return [*dict.fromkeys(name for number in self.listed for name in self.trials[number].config)]

    def _goals_columns(self) -> dict[str, Cell]:
        """Other metrics, how runs vary, whether a trial is feasible, and whether it is on the front."""
        goal = self.objective
        if not isinstance(goal, Goal):
            return {}
        others = [name for name in goal.metrics if name != goal.metric]
        spread = [f"{goal.metric}_{name}" for name in SPREAD] if goal.num_runs > 1 else []
        found: dict[str, Cell] = {name: partial(self._metric, name=name) for name in (*others, *spread)}
        if goal.constraints:
            found["feasible"] = self._is_feasible
        if len(goal.objectives) > 1:
            found["front"] = self._is_on_front
        return found

    def _metrics(self, number: int) -> Mapping[str, float]:
        return self.records[number].metrics

    def _metric(self, trial: TrialRow, _: float, *, name: str) -> float | None:
        return self._metrics(trial.number).get(name) if trial.number in self._keys else None

    def _is_feasible(self, trial: TrialRow, _: float) -> bool | None:
        return not self.objective.violation(self._metrics(trial.number)) if trial.number in self._keys else None

    def _is_on_front(self, trial: TrialRow, _: float) -> bool | None:
        return trial.number in self._front if trial.number in self._keys else None

    @cached_property
    def _front(self) -> frozenset[int]:
        return frozenset(self.front)


def _value(trial: TrialRow, _: float, *, name: str) -> Any:
    return trial.config.get(name)
