"""One trial as several runs: the same configuration again with other seeds, and on other folds of the data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy

from gradfleet.data.prepared import DataRef
from gradfleet.errors import TrialStopped
from gradfleet.goal import NUM_RUNS, OWN, SPREAD, Aim
from gradfleet.training.history import MICRO_BATCH, EpochRecord
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipe import Predictor, Recipe, Report

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A recipe whose trial is a run for each fold and repeat, and whose records are means over the runs so far.

    The epochs of a trial are those of its runs, one after the other: with 10 epochs a run, epoch 13 is the third of
    the second run. The record of an epoch has the mean of every metric over the best records of the runs that have
    ended and of the one that runs; of the objectives, the constraints and what was measured on a split also `_std`
    (of the population), `_median`, `_min` and `_max`. `run_` and a name is the number of the last run alone, the one
    whose checkpoint is kept, and `num_runs` how many runs the means are of. Each fold keeps its rows from repeat to
    repeat; each repeat has a seed of its own.

    Attributes:
        folds: the prepared data of each fold; empty where a plan's own data is used.
    """

    recipe: Recipe
    repeats: int = 1
    folds: tuple[DataRef, ...] = ()

    @property
    def num_runs(self) -> int:
        return self.repeats * max(1, len(self.folds))

    def run(self, plan: TrialPlan, report: Report) -> None:
        epochs = plan.epochs // self.num_runs
        ended = _runs(plan.history, epochs)
        now = ended.pop() if plan.recorded % epochs else None  # an earlier attempt ended in the middle of it
        for run in range(len(ended), self.num_runs):
            one = _Run(plan, run, epochs, [best.metrics for best in ended], now, report)
            self._run_one(one, self._plan_of(plan, one))
            if one.best is None or (plan.deadline is not None and time.time() >= plan.deadline):
                return
            ended, now = [*ended, one.best], None

    def load(self, checkpoint: Path) -> Predictor:
        return self.recipe.load(checkpoint)

    def _run_one(self, one: _Run, plan: TrialPlan) -> None:
        try:
            self.recipe.run(plan, one)
        except TrialStopped:
            if one.stopped:  # and not only this run of it, by a function that would train for longer
                raise

    def _plan_of(self, plan: TrialPlan, one: _Run) -> TrialPlan:
        repeat, fold = divmod(one.number, max(1, len(self.folds)))
        place = None if plan.checkpoints is None else f"{plan.checkpoints}/run-{one.number:02d}"
        own = plan.resume is not None and plan.resume.startswith(f"{place}/")
        return replace(
            plan,
            run=one.number,
            epochs=one.epochs,
            seed=plan.seed if repeat == 0 else _seed(plan.seed, repeat),
            data=self.folds[fold] if self.folds else plan.data,
            checkpoints=place,
            resume=plan.resume if own else None,
            best=None if one.best is None else plan.objective.rank(one.best.metrics),
            recorded=max(0, plan.recorded - one.number * one.epochs),
            history=(),
        )


class _Run:
    """The report of one run: takes its records, and hands on what the trial is worth with them.

    Attributes:
        best: its best record so far; that of an earlier attempt to begin with.
        stopped: whether the trial was told to end.
    """

    def __init__(
        self,
        plan: TrialPlan,
        number: int,
        epochs: int,
        ended: Sequence[Metrics],
        best: EpochRecord | None,
        report: Report,
    ) -> None:
        self.number = number
        self.epochs = epochs
        self.best = best
        self.stopped = False
        self._objective = plan.objective
        self._ended = ended
        self._report = report

    def __call__(self, record: EpochRecord, checkpoint: str | None = None) -> None:
        rank = self._objective.rank
        if self.best is None or rank(record.metrics) < rank(self.best.metrics):
            self.best = record
        metrics = means([*self._ended, self.best.metrics], self._objective)
        try:
            self._report(EpochRecord(self.number * self.epochs + record.epoch, metrics), checkpoint)
        except TrialStopped:
            self.stopped = True
            raise


def means(runs: Sequence[Metrics], objective: Aim) -> dict[str, float]:
    """What runs with these numbers are together, as `Repeated` says."""
    last = runs[-1]
    together: dict[str, float] = {NUM_RUNS: float(len(runs))}
    for name in last:
        values = numpy.array([run[name] for run in runs if name in run])
        with numpy.errstate(invalid="ignore"):  # of what has diverged there is neither mean nor deviation
            together[name] = float(values.min() if name == MICRO_BATCH else values.mean())
            together[f"{OWN}{name}"] = last[name]
            if name in objective.metrics or name.startswith(("train_", "val_")):
                spread = values.std(), numpy.median(values), values.min(), values.max()
                together |= {f"{name}_{kind}": float(value) for kind, value in zip(SPREAD, spread, strict=True)}
    return together


def repeated(recipe: Recipe, spec: Mapping[str, Any]) -> Recipe:
    """The recipe as a study with this spec trains it: repeated and folded where the study's trials are."""
    runs = spec.get("runs")
    return Repeated(recipe, runs["repeats"], tuple(DataRef(**fold) for fold in runs["folds"])) if runs else recipe


def names_of_means(names: Sequence[str], objective: Aim) -> tuple[str, ...]:
    """The metrics of a repeated trial's records, where a run's records have `names`."""
    return tuple(means([dict.fromkeys(names, 0.0)], objective))


def _runs(history: Iterable[EpochRecord], epochs: int) -> list[EpochRecord]:
    """The best record of each run that a trial has recorded, the one that it was in last."""
    found: dict[int, EpochRecord] = {}
    for record in history:
        run, epoch = divmod(record.epoch - 1, epochs)
        own = {name.removeprefix(OWN): value for name, value in record.metrics.items() if name.startswith(OWN)}
        found[run] = EpochRecord(epoch + 1, own)
    return [found[run] for run in sorted(found)]


def _seed(seed: int, repeat: int) -> int:
    return int(numpy.random.SeedSequence([seed, repeat]).generate_state(1)[0])
