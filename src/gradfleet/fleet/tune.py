"""Ray Tune's three seams, each a thin shell over the ledger: what to run, who goes on, when all must end."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from gradfleet.training.history import EpochRecord

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

    from gradfleet.trials.executor import Ledger


class LedgerSearcher(Searcher):
    """Asks the ledger for plans and tells it how trials ended.

    Args:
        workers: how many trials run side by side; one more is planned ahead, so that a free worker never waits for the
            sampler. Planning further ahead would only make the sampler's knowledge older.
    """

    def __init__(self, ledger: Ledger, *, workers: int) -> None:
        super().__init__()
        self._ledger = ledger
        self._most_live = workers + 1
        self.numbers: dict[str, int] = {}
        self.errors: dict[str, str | None] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # as FINISHED is typed
        if self._ledger.finished:
            return Searcher.FINISHED
        if len(self.numbers) >= self._most_live:
            return None
        plan = self._ledger.next_plan()
        if plan is None:
            return None
        self.numbers[trial_id] = plan.number
        # Bytes, because the worker must not import torch before it is up.
        return {"plan": pickle.dumps(plan)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """With `error` the worker itself died: what a recipe raises is caught in the worker and arrives as a result."""
        number = self.numbers.pop(trial_id)
        if error:
            self._ledger.lost(number)
        else:
            self._ledger.end(number, error=self.errors.pop(trial_id, None))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store has everything, and Tune's snapshots are never read."""

    def restore(self, checkpoint_path: str) -> None:
        raise AssertionError("a sweep is resumed from the store, never from a snapshot of Ray Tune")


class LedgerScheduler(FIFOScheduler):
    """Hands each result to the ledger before anyone else sees it, and answers with the ledger's word.

    Tune calls the searcher only for results that it goes on from, so a stopping value would never reach it.
    """

    def __init__(self, ledger: Ledger, searcher: LedgerSearcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ledger = ledger
        self._searcher = searcher

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        if result["done"]:
            self._searcher.errors[trial.trial_id] = result["error"]
            return TrialScheduler.STOP
        # Tune flattens what it hands over: the metrics come as `metrics/...` and are put together again here.
        names = [name for name in result if name.startswith("metrics/")]
        record = EpochRecord(result["epoch"], {name.removeprefix("metrics/"): result[name] for name in names})
        goes_on = self._ledger.record(self._searcher.numbers[trial.trial_id], record, result["checkpoint"])
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP


class AbortWatch(tune.Callback):
    """Ends the workers that still run when the ledger has aborted the sweep; each then counts as lost.

    Tune's own way to stop everything waits up to 15 s for workers that are in the middle of a step.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if not self._ledger.aborted:
            return
        import ray

        for trial in trials:
            if trial.status == "RUNNING" and trial.temporary_state.ray_actor is not None:
                ray.kill(trial.temporary_state.ray_actor)
