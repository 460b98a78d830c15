"""A sweep: one study, one driver, one executor, from the first trial to the last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from gradfleet.errors import NoUsableTrialError, StoreError, in_words
from gradfleet.fleet.order import Order
from gradfleet.search.portfolio import Portfolio
from gradfleet.study.driving.failures import causes, listed
from gradfleet.study.driving.forecast import Forecaster, earlier_study
from gradfleet.study.driving.interrupt import two_stage_interrupt
from gradfleet.study.driving.ledger import StudyLedger
from gradfleet.study.driving.progress import SweepProgress
from gradfleet.study.driving.warm_start import configs_of, said
from gradfleet.study.mirror.generation import Generation
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.study.view import BestTrial
from gradfleet.trials.executor import Executor
from gradfleet.trials.model_recipe import EPOCH_PART
from gradfleet.trials.plan import Config, TrialPlan
from gradfleet.trials.repeated import repeated


def run_sweep(order: Order, executor: Executor, *, store: Store, view: SweepProgress) -> Study:
    """Search until the budget is used, and leave the study settled: nothing runs, nothing is half-written.

    Args:
        store: where the order's study is; it stays open, for the study that is returned.

    Raises:
        LeaseHeldError: another living driver works on this study.
        SettingError: the records have no such metric as the objective's.
        NoUsableTrialError: every trial failed; the most frequent cause is in the message.
        KeyboardInterrupt: Ctrl-C came before any trial had a result.
    """
    study, budget = store.study(order.study), order.settings.budget
    store.database.outage.say = view.say
    view.say(f"Study {study.name!r} in {store.url}, until {budget}.{_first(order.settings.portfolio)}")
    if taken := study.spec.get("search", {}).get("warm_start"):
        view.say(said(taken))
    with Lease.acquire(store, study, say=view.say) as lease:
        try:
            ledger = _open_ledger(order, store=store, lease=lease, view=view)
        except Exception as error:
            with suppress(StoreError):  # the store may be what failed
                store.set_state(lease, "failed", problem=in_words(error))
            raise
        with two_stage_interrupt(ledger, executor, view.say) as interrupts:
            try:
                with view:
                    executor.run(repeated(order.recipe, study.spec), ledger)
            except BaseException as error:
                ledger.abandon(error)
                raise
            ledger.close()
    finished = Study(store, store.study(study.name), recipe=order.recipe, interrupted=interrupts.count > 0)
    try:
        best = finished.best
    except NoUsableTrialError as error:
        if finished.interrupted:
            raise KeyboardInterrupt from None
        raise NoUsableTrialError(f"{error} {ledger.reason}") from None
    view.say(f"{ledger.reason} {_found(finished, best)}")
    if failed := causes(finished.trials):
        view.say(f"{len(failed)} of {len(finished.trials)} trials failed: {listed(failed)}.")
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


def _open_ledger(order: Order, *, store: Store, lease: Lease, view: SweepProgress) -> StudyLedger:
    settings, space = order.settings, order.space
    scheduler = settings.new_scheduler(space)
    watcher = Forecaster(
        view,
        settings.budget,
        say=view.say,
        started=order.started,
        earlier=earlier_study(store, lease.study),
        usual_epochs=scheduler.usual_epochs,
    )
    seconds = settings.budget.training_seconds
    plan = TrialPlan(
        number=-1,
        config={},
        objective=settings.objective,
        data=order.data,
        epochs=settings.trial_epochs,
        deadline=None if seconds is None else order.started + seconds,
        threads=settings.resources.threads,
        study=order.study,
        keep_predictions=settings.keep_predictions,
    )
    generation = Generation(
        store,
        lease.study,
        settings.sampler_factory(space),
        portfolio=[*settings.portfolio, *Portfolio.fitting(space, configs_of(lease.study.spec)).configs],
        grid=settings.grid(space),
        lease=lease,
    )
    ledger = StudyLedger(
        store,
        lease,
        space=space,
        generation=generation,
        scheduler=scheduler,
        budget=settings.budget,
        plan=plan,
        keep=settings.keep,
        retry_failed=settings.retry_failed,
        stall=settings.stall,
        give_up=settings.give_up,
        since=order.started,
        watcher=watcher,
    )
    ledger.open()
    return ledger


def _first(portfolio: Sequence[Config]) -> str:
    """What is tried first, by architecture."""
    names = [str(config["architecture"]) for config in portfolio if "architecture" in config]
    return f" After the default come {', '.join(names)}, known to be good; then the search." if names else ""
