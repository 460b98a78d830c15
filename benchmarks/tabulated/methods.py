"""The searches that benchmarks/regret.py compares: our default and its peers, each as it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from gradfleet.objective import Objective
from gradfleet.search import samplers
from gradfleet.search.suggester import Config
from gradfleet.study.schedulers.names import scheduler_options
from gradfleet.study.schedulers.scheduler import Course, Verdict
from gradfleet.training.history import EpochRecord
from tabulated.tables import Table

OBJECTIVE = Objective("accuracy", "max")


@dataclass
class Search:
    """A method on one data set.

    Attributes:
        sampler_for: from a trial's number to the sampler that draws it.
        goes_on: whether a trial may train on after its epoch and accuracy.
        ended: told of a trial's number, last epoch and last accuracy.
        given: the configuration of trial 0, where the method has a say there.
        told: what the study is told of a trial with all its epochs.
    """

    study: optuna.Study
    sampler_for: Callable[[int], BaseSampler]
    goes_on: Callable[[optuna.Trial, int, float], bool] = lambda *_: True
    ended: Callable[[int, int, float], None] = lambda *_: None
    given: Config | None = None
    told: Callable[[list[float]], float] = lambda curve: curve[-1]


def gradfleet(table: Table, seed: int) -> Search:
    """The default sampler and scheduler: the objects that a sweep uses, without the store under them."""
    course = Course(objective=OBJECTIVE, epochs=table.epochs, space=table.space, seed=seed, trials=None)
    scheduler = scheduler_options("asha").build(course)
    searched = samplers.Search(space=table.space, aim=OBJECTIVE, epochs=table.epochs)

    def goes_on(trial: optuna.Trial, epoch: int, value: float) -> bool:
        return scheduler.judge(trial.number, _record(epoch, value)) is Verdict.GO_ON

    return Search(
        _study(seed),
        lambda number: samplers.make_sampler("auto", searched, seed=seed, number=number),
        goes_on,
        lambda number, epoch, value: scheduler.ended(number, _record(epoch, value)),
        given=table.space.default(),
        told=max,
    )


def random(table: Table, seed: int) -> Search:
    sampler = RandomSampler(seed=seed)
    return Search(_study(seed), lambda _: sampler)


def optuna_tpe(table: Table, seed: int) -> Search:
    sampler = TPESampler(seed=seed)
    return Search(_study(seed), lambda _: sampler)


def optuna_tpe_hyperband(table: Table, seed: int) -> Search:
    sampler, pruner = TPESampler(seed=seed), HyperbandPruner(min_resource=1, max_resource=table.epochs)
    return Search(_study(seed, pruner), lambda _: sampler, lambda trial, *_: not trial.should_prune())


def ray_asha(table: Table, seed: int) -> Search:
    """Random search under Ray's ASHA with its own defaults: a first rung after 1 epoch, a factor of 4."""
    return _random_under_asha(table, seed, grace_period=1, reduction_factor=4)


def ray_asha_late(table: Table, seed: int) -> Search:
    """The same with our scheduler's defaults: a first rung at a ninth of the epochs, a factor of 3."""
    return _random_under_asha(table, seed, grace_period=max(1, table.epochs // 9), reduction_factor=3)


METHODS: dict[str, Callable[[Table, int], Search]] = {
    "gradfleet": gradfleet,
    "random": random,
    "optuna-tpe": optuna_tpe,
    "optuna-tpe-hyperband": optuna_tpe_hyperband,
    "ray-asha": ray_asha,
    "ray-asha-late": ray_asha_late,
}


def _random_under_asha(table: Table, seed: int, *, grace_period: int, reduction_factor: float) -> Search:
    sampler = RandomSampler(seed=seed)
    asha = AsyncHyperBandScheduler(
        "epoch", "value", "max", max_t=table.epochs, grace_period=grace_period, reduction_factor=reduction_factor
    )
    known: dict[int, SimpleNamespace] = {}

    def goes_on(trial: optuna.Trial, epoch: int, value: float) -> bool:
        if trial.number not in known:
            known[trial.number] = SimpleNamespace(trial_id=trial.number)
            asha.on_trial_add(None, known[trial.number])
        decision = asha.on_trial_result(None, known[trial.number], {"epoch": epoch, "value": value})
        return decision != TrialScheduler.STOP

    return Search(_study(seed), lambda _: sampler, goes_on)


def _study(seed: int, pruner: BasePruner | None = None) -> optuna.Study:
    # Hyperband assigns brackets by the study's name.
    return optuna.create_study(direction="maximize", study_name=f"regret-{seed}", pruner=pruner or NopPruner())


def _record(epoch: int, value: float) -> EpochRecord:
    return EpochRecord(epoch, {OBJECTIVE.metric: value})
