"""A sweep: one study, one driver, one executor, from the first trial to the last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from gradfleet.data.prepared import DataRef
from gradfleet.errors import NoUsableTrialError, SettingError, unknown_name
from gradfleet.goal import Aim, Goal
from gradfleet.search.grid import Grid
from gradfleet.search.samplers import SamplerChoice, check_objectives, make_sampler, sampler_name
from gradfleet.search.space import SearchSpace
from gradfleet.study.aimed_scheduler import AimedScheduler
from gradfleet.study.budget import Budget
from gradfleet.study.forecast import Forecaster, earlier_pace
from gradfleet.study.generation import Generation
from gradfleet.study.interrupt import two_stage_interrupt
from gradfleet.study.lease import Lease
from gradfleet.study.ledger import StudyLedger
from gradfleet.study.progress import SweepProgress
from gradfleet.study.rows import StudyRow
from gradfleet.study.scheduler import Course, Scheduler
from gradfleet.study.schedulers.names import SCHEDULERS, SchedulerChoice, scheduler_options
from gradfleet.study.store import Store
from gradfleet.study.study import Study
from gradfleet.study.view import BestTrial
from gradfleet.study.warm_start import configs_of
from gradfleet.study.watcher import Watcher
from gradfleet.trials.executor import Executor, InlineExecutor
from gradfleet.trials.model_recipe import EPOCH_PART
from gradfleet.trials.plan import Config, TrialPlan
from gradfleet.trials.recipe import Recipe
from gradfleet.trials.repeated import repeated
from gradfleet.trials.resources import Resources

TEARDOWN = 1.0
"""Seconds of a time budget that are kept for ending: a last validation, the workers' end, the last writes."""

CLUSTERS = ("auto", "inline")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings:
    """How a space is searched; everything that is not the recipe, the data or the study's place.

    Raises:
        SettingError: with every setting that cannot be.
    """

    objective: Aim
    budget: Budget
    epochs: int = 10
    sampler: SamplerChoice = "tpe"
    scheduler: SchedulerChoice = "asha"
    resources: Resources = field(default_factory=Resources)
    cluster: str | None = None
    seed: int = 0
    keep: int = 5
    retry_failed: bool = False
    stall: float | None = None
    portfolio: Sequence[Config] = ()

    def __post_init__(self) -> None:
        problems = [f"{name} is at least 1, got {value}." for name, value in self._counts() if value < 1]
        for check in (self._check_sampler, self._check_scheduler):
            try:
                check()
            except SettingError as error:
                problems.extend(error.problems)
        if self.cluster is not None and self.cluster not in CLUSTERS:
            problems.append(unknown_name("cluster", self.cluster, CLUSTERS) + " None is this machine.")
        if problems:
            raise SettingError(problems)

    def to_json(self) -> dict[str, Any]:
        """What the study's spec keeps of it."""
        return {
            "sampler": sampler_name(self.sampler),
            "scheduler": scheduler_options(self.scheduler).to_json(),
            "epochs": self.epochs,
            "seed": self.seed,
            "keep": self.keep,
            "portfolio": [dict(config) for config in self.portfolio],
            "budget": asdict(self.budget),
            "resources": asdict(self.resources),
        }

    def _counts(self) -> tuple[tuple[str, int], ...]:
        return ("epochs", self.epochs), ("keep", self.keep)

    @property
    def trial_epochs(self) -> int:
        """Of all runs of one trial."""
        return self.epochs * self.objective.num_runs

    def sampler_for(self, number: int = 0) -> Any:
        return make_sampler(self.sampler, seed=self.seed, number=number)

    def grid(self, space: SearchSpace) -> Grid | None:
        """What is tried one by one, where the sampler is "grid".

        Raises:
            SpaceError: the space is not finite.
        """
        return Grid(space) if self.sampler == "grid" else None

    def _check_sampler(self) -> None:
        self.sampler_for()
        check_objectives(self.sampler, len(self.objective.objectives))

    def new_scheduler(self, space: SearchSpace) -> Scheduler:
        course = Course(
            objective=self.objective.objectives[0],
            epochs=self.trial_epochs,
            space=space,
            seed=self.seed,
            trials=self.budget.trials,
        )
        options = scheduler_options(self.scheduler)
        make = partial(options.build, course)
        return AimedScheduler(self.objective, make) if isinstance(self.objective, Goal) else make()

    def _check_scheduler(self) -> None:
        options = scheduler_options(self.scheduler)
        found = options.problems(epochs=self.trial_epochs, trials=self.budget.trials)
        if options.single and isinstance(self.objective, Goal):
            able = ", ".join(name for name, make in SCHEDULERS.items() if not make().single)
            found.append(
                f"The scheduler {options.to_json()['name']!r} follows one objective without constraints. "
                f"These take more: {able}."
            )
        if found:
            raise SettingError(found)

    def executor(self) -> Executor:
        """This process without Ray for "inline", else Ray Tune, connected.

        Raises:
            ClusterError: no cluster answers, or it can never hold one such trial.
        """
        if self.cluster == "inline":
            return InlineExecutor()
        from gradfleet.fleet.ray_executor import RayExecutor  # Ray takes a second to import

        return RayExecutor(cluster=self.cluster, resources=self.resources)


def run_sweep(
    recipe: Recipe,
    space: SearchSpace,
    settings: SweepSettings,
    executor: Executor,
    *,
    store: Store,
    study: StudyRow,
    data: DataRef | None,
    started: float,
    view: SweepProgress,
) -> Study:
    """Search until the budget is used, and leave the study settled: nothing runs, nothing is half-written.

    Args:
        started: Unix time in seconds at which the user's call began; the time budget counts from it.

    Raises:
        LeaseHeldError: another living driver works on this study.
        SettingError: the records have no such metric as the objective's.
        NoUsableTrialError: every trial failed; the most frequent cause is in the message.
        KeyboardInterrupt: Ctrl-C came before any trial had a result.
    """
    earlier = earlier_pace(store, study)
    watcher = Forecaster(view, settings.budget, say=view.say, started=started, earlier=earlier)
    with Lease.acquire(store, study, say=view.say) as lease:
        ledger = _open_ledger(space, settings, store=store, lease=lease, data=data, started=started, watcher=watcher)
        with two_stage_interrupt(ledger, view.say) as interrupts:
            try:
                with view:
                    executor.run(repeated(recipe, study.spec), ledger)
            except BaseException:
                ledger.abandon()
                raise
            ledger.close()
    finished = Study(store, store.study(study.name), recipe=recipe, interrupted=interrupts.count > 0)
    try:
        best = finished.best
    except NoUsableTrialError:
        if finished.interrupted:
            raise KeyboardInterrupt from None
        raise
    view.say(f"{ledger.reason} {_found(finished, best)}")
    return finished


def _too_short(best: BestTrial) -> str:
    """What a budget lacked that ended within the first epoch of the best trial; else nothing."""
    part, took = best.metrics.get(EPOCH_PART, 1.0), best.metrics.get("train_seconds", 0.0)
    if part >= 1:
        return ""
    lacking = max(1, math.ceil(took * (1 - part) / part))
    return f"The budget was too short for one epoch, {part:.0%} of it were trained: give at least {lacking} s more. "


def _found(study: Study, best: BestTrial) -> str:
    """What a search has found, in a sentence or two."""
    objective = study.objective
    found = f"Best: trial {best.number} with {objective.metric} {best.value:.4f} after epoch {best.epoch}."
    found = _too_short(best) + found
    if not best.feasible:
        broken = [name for name, excess in objective.excesses(best.metrics).items() if excess > 0]
        return f"No trial keeps all constraints; this one, nearest to them, breaks {' and '.join(broken)}. {found}"
    if len(objective.objectives) > 1:
        return f"{found} It is the best in {objective.metric}; study.front has {len(study.front)} to choose from."
    return found


def _open_ledger(
    space: SearchSpace,
    settings: SweepSettings,
    *,
    store: Store,
    lease: Lease,
    data: DataRef | None,
    started: float,
    watcher: Watcher,
) -> StudyLedger:
    seconds = settings.budget.seconds
    known_good = [*settings.portfolio, *configs_of(lease.study.spec)]
    plan = TrialPlan(
        number=-1,
        config={},
        objective=settings.objective,
        data=data,
        epochs=settings.trial_epochs,
        deadline=None if seconds is None else started + max(seconds - TEARDOWN, 0.5 * seconds),
        threads=settings.resources.threads,
        study=lease.study.name,
    )
    ledger = StudyLedger(
        store,
        lease,
        space=space,
        generation=Generation(
            store,
            lease.study,
            settings.sampler_for,
            portfolio=known_good,
            grid=settings.grid(space),
            lease=lease,
        ),
        scheduler=settings.new_scheduler(space),
        budget=settings.budget,
        plan=plan,
        keep=settings.keep,
        retry_failed=settings.retry_failed,
        stall=settings.stall,
        watcher=watcher,
    )
    ledger.open()
    return ledger
