"""Ray Tune's three seams, each a thin shell over the ledger: what to run, who goes on, when all must end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from gradfleet.errors import NoSpaceError
from gradfleet.fleet.worker import PackedPlan
from gradfleet.training.history import EpochRecord

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

    from gradfleet.trials.executor import Ledger
    from gradfleet.trials.plan import TrialPlan


SHORT = 0.5
"""Seconds; trials shorter than this are planned further ahead."""


class Fault:
    """The first error of the ledger; a context manager around each call of it.

    Ray Tune logs and swallows what some of its hooks raise, and turns the rest into text. So a hook's error is kept
    here, nothing is asked of the ledger any more, and `raise_first` raises it where Tune lets it through.
    """

    def __init__(self) -> None:
        self.first: Exception | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self.first = self.first or error
        return isinstance(error, Exception)

    def raise_first(self) -> None:
        if self.first is not None:
            raise self.first


class LedgerSearcher(Searcher):
    """Asks the ledger for plans and tells it how trials ended.

    Tune gets a trial only when a worker is free for it: one that waits in Tune's own queue asks the cluster for a
    further worker, in vain. What is planned ahead, so that a free worker never waits for the sampler, waits here.

    Args:
        workers: how many trials run side by side.
    """

    def __init__(self, ledger: Ledger, fault: Fault, *, workers: int) -> None:
        super().__init__()
        self._ledger = ledger
        self._fault = fault
        self._workers = workers
        self._planned: deque[TrialPlan] = deque()
        self._ahead = 1
        self.numbers: dict[str, int] = {}
        self.begun: dict[str, float] = {}
        self.newest: str | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # as FINISHED is typed
        with self._fault:
            if self._fault.first or self._ledger.finished:
                return Searcher.FINISHED
            if len(self.numbers) < self._workers:
                plan = self._planned.popleft() if self._planned else self._ledger.next_plan()
                if plan is not None:
                    self.numbers[trial_id] = plan.number
                    self.newest = trial_id
                    return {"plan": PackedPlan.of(plan)}
            elif len(self.begun) == self._workers and len(self._planned) < self._ahead:
                plan = self._ledger.next_plan()
                if plan is not None:
                    self._planned.append(plan)
        return None

    def begin(self, trial_id: str) -> int:
        self.begun[trial_id] = time.monotonic()
        return self.numbers[trial_id]

    def hold(self) -> None:
        """What was planned ahead goes back."""
        while self._planned:
            self._ledger.hand_back(self._planned.popleft().number)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """With `error` the worker itself died: what a recipe raises is caught in the worker and arrives as a result."""
        number = self.numbers.pop(trial_id)
        begun = self.begun.pop(trial_id, None)
        if self._fault.first:
            return
        with self._fault:
            if result is not None and result.get("no_space"):
                raise NoSpaceError(result["no_space"])
            if error:
                self._ledger.lost(number)
            elif begun is not None:
                # Planning further ahead makes the sampler's knowledge older; where trials are shorter than a few
                # draws, workers that wait cost more than that.
                self._ahead = self._workers if time.monotonic() - begun < SHORT else 1
                self._ledger.end(number, error=(result or {}).get("error"))
            else:
                self._ledger.hand_back(number)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store has everything, and Tune's snapshots are never read."""

    def restore(self, checkpoint_path: str) -> None:
        raise AssertionError("a sweep is resumed from the store, never from a snapshot of Ray Tune")


class LedgerScheduler(FIFOScheduler):
    """Hands each result to the ledger before anyone else sees it, and answers with the ledger's word.

    Tune calls the searcher only for results that it goes on from, so a stopping value would never reach it.
    """

    def __init__(self, ledger: Ledger, fault: Fault, searcher: LedgerSearcher) -> None:
        super().__init__()
        self._ledger = ledger
        self._fault = fault
        self._searcher = searcher

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """The newest trial, for the worker that is free.

        Left to itself, Tune gives that worker to the trial that has waited longest for a worker of its own to start,
        and ends that one: after a death, a second worker would never come back beside trials shorter than its start.
        """
        let_go(tune_controller)
        waiting = {trial.trial_id: trial for trial in tune_controller.get_live_trials() if _waits(trial)}
        with self._fault:
            if self._fault.first or self._ledger.held:
                for trial in waiting.values():
                    tune_controller.stop_trial(trial)
                self._searcher.hold()
                return None
        return waiting.get(self._searcher.newest or "")

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        # A result with `done` does not come here: Tune ends its trial at once, and the searcher gets it with the end.
        # Tune flattens what it hands over: the metrics come as `metrics/...` and are put together again here.
        names = [name for name in result if name.startswith("metrics/")]
        record = EpochRecord(result["epoch"], {name.removeprefix("metrics/"): result[name] for name in names})
        with self._fault:
            if not self._fault.first:
                goes_on = self._ledger.record(self._searcher.numbers[trial.trial_id], record, result["checkpoint"])
                return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP
        return TrialScheduler.NOOP


class NoTrialProgress(TrialProgressCallback):
    """Stands in for Tune's own, which prints a line for a trial that ends without a result, however quiet it is."""

    def on_trial_result(self, *_: Any, **__: Any) -> None: ...

    def on_trial_error(self, *_: Any, **__: Any) -> None: ...

    def on_trial_complete(self, *_: Any, **__: Any) -> None: ...


class LedgerCallback(tune.Callback):
    """Tells the ledger which trials begin, and ends the workers that still run when the sweep is aborted.

    Each of those counts as lost. Tune's own way to stop everything waits up to 15 s for workers in mid-step.
    """

    def __init__(self, ledger: Ledger, fault: Fault, searcher: LedgerSearcher) -> None:
        self._ledger = ledger
        self._fault = fault
        self._searcher = searcher
        self._beginning: list[int] = []

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._beginning.append(self._searcher.begin(trial.trial_id))

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Write the beginnings only now that their workers are at it: Tune handles one event a step."""
        beginning, self._beginning = self._beginning, []
        with self._fault:
            for number in beginning:
                self._ledger.begin(number)

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if self._must_end():
            _kill_workers(trials)
        else:
            with self._fault:
                overdue = self._ledger.overdue
                if overdue:
                    _kill_workers([one for one in trials if self._searcher.numbers.get(one.trial_id) in overdue])
        self._fault.raise_first()

    def _must_end(self) -> bool:
        with self._fault:
            return self._fault.first is not None or self._ledger.aborted
        return True


def let_go(controller: TuneController) -> None:
    """Have Tune forget the trials that have ended.

    It keeps each with its configs and results (about 60 KB) until the end, looks at all of them in every step, and has
    no public way to drop one. The store has what they found.
    """
    ended = [*controller._stopped_trials, *controller._failed_trials]
    for trial in ended:
        if trial in controller._trial_to_actor:  # its worker has not gone on yet
            continue
        controller._trials.remove(trial)
        for group in (controller._stopped_trials, controller._failed_trials, controller._live_trials):
            group.discard(trial)
        controller._trials_to_cache.discard(trial)
        for by_id in (controller._trial_metadata, controller._cached_trial_decisions):
            by_id.pop(trial.trial_id, None)


def _kill_workers(trials: Iterable[Trial]) -> None:
    for trial in trials:
        if not trial.is_finished() and trial.temporary_state.ray_actor is not None:
            ray.kill(trial.temporary_state.ray_actor)


def _waits(trial: Trial) -> bool:
    """Whether no worker has been given the trial."""
    return trial.status == "PENDING" and trial.temporary_state.ray_actor is None
