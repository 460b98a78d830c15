"""The study's side of a sweep: it hands out plans, keeps what happens, and decides when enough is known.

The order of writes is what makes a sweep survive SIGKILL at any moment: our own rows first, each in one transaction
that checks the lease; a stop's reason before the trial is told to stop; Optuna's mirror last, because it can be made
again from ours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy

from gradfleet.errors import SettingError
from gradfleet.search.space import SearchSpace
from gradfleet.study import requests
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.budget import Budget, Spending
from gradfleet.study.generation import Generation
from gradfleet.study.lease import Lease
from gradfleet.study.retention import disposable
from gradfleet.study.rows import RecordRow, StudyState, TrialRow
from gradfleet.study.store import Store
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import Config, TrialPlan

MAX_ATTEMPTS = 3
"""How often a trial is started when its worker dies each time; one that always kills its worker must not loop."""

GRACE = 1.0
"""Seconds that running trials have after the deadline to end by themselves, before their workers are ended."""

_REQUESTS_EVERY = 1.0  # seconds


class Scheduler(Protocol):
    """Decides, record by record, which trials may train on."""

    def goes_on(self, number: int, record: EpochRecord) -> bool: ...

    def ended(self, number: int, record: EpochRecord) -> None: ...


class NoScheduler:
    """Lets every trial run to its end."""

    def goes_on(self, number: int, record: EpochRecord) -> bool:
        return True

    def ended(self, number: int, record: EpochRecord) -> None:
        return None


class Watcher(Protocol):
    """Is told what happens in a sweep, to show it."""

    def started(self, number: int, config: Config) -> None: ...

    def recorded(self, number: int, record: EpochRecord) -> None: ...

    def ended(self, trial: TrialRow) -> None: ...


@dataclass(slots=True)
class _Live:
    """A trial that has begun and has not ended: running, or waiting to be handed out again."""

    plan: TrialPlan
    optuna_number: int
    last: EpochRecord | None = None
    last_checkpoint: str | None = None
    best_checkpoint: str | None = None
    stopped: bool = False


class StudyLedger:
    """Implements `trials.executor.Ledger` over one study; the only writer while it holds the lease.

    Args:
        plan: what every plan of this study shares; the number, config, seed and checkpoints of a trial are filled in.
            Its `deadline` is the sweep's.
        keep: how many of the best trials keep their checkpoint after the sweep.
        now: the clock, in Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        *,
        space: SearchSpace,
        generation: Generation,
        scheduler: Scheduler,
        budget: Budget,
        plan: TrialPlan,
        keep: int = 5,
        watcher: Watcher | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._lease = lease
        self._study = lease.study
        self._space = space
        self._generation = generation
        self._scheduler = scheduler
        self._spending = Spending(budget, plan.objective, deadline=plan.deadline)
        self._plan = plan
        self._keep = keep
        self._watcher = watcher
        self._now = now
        self._artifacts = Artifacts(self._study.artifacts)
        self._live: dict[int, _Live] = {}
        self._returning: list[int] = []
        self._phase: Literal["open", "draining", "aborting"] = "open"
        self._end_state: StudyState = "completed"
        self._reason = "The sweep ended."
        self._fatal: SettingError | None = None
        self._paused = False
        self._requests_read = -math.inf

    # -- the start: everything is rebuilt from the store ---------------------------------------------------------------

    def open(self) -> None:
        """Bring Optuna, the scheduler and the counters to where the store is; line up the trials that were running."""
        trials = self._store.trials(self._study.id)
        records = self._store.records(self._study.id)
        self._generation.reconcile(trials, records)
        histories: dict[int, list[RecordRow]] = {trial.number: [] for trial in trials}
        for row in records:
            histories[row.number].append(row)
        self._spending.trials = len(trials)
        for trial in trials:
            history = histories[trial.number]
            for row in history:
                self._spending.recorded(row.record)
                self._scheduler.goes_on(trial.number, row.record)
            if trial.state == "RUNNING":
                self._take_up(trial, history)
            elif history:
                self._scheduler.ended(trial.number, history[-1].record)
        self._store.set_state(self._lease, "running")

    def _take_up(self, trial: TrialRow, history: list[RecordRow]) -> None:
        """A trial whose driver died: settle it when its end was already decided, else line it up."""
        addresses = [row.checkpoint for row in history if row.checkpoint]
        live = _Live(
            self._plan_of(trial.number, trial.config, trial.seed),
            trial.optuna_number,
            last=history[-1].record if history else None,
            last_checkpoint=addresses[-1] if addresses else None,
            best_checkpoint=trial.checkpoint,
            stopped=trial.stopping is not None,
        )
        self._live[trial.number] = live
        if live.stopped or (live.last is not None and live.last.epoch >= live.plan.epochs):
            self.end(trial.number)
        else:
            self._returning.append(trial.number)

    # -- what an executor asks and tells -------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        self._look_around()
        return self._phase != "open" or not (self._spending.trials_left or self._live)

    @property
    def aborted(self) -> bool:
        self._look_around()
        return self._phase == "aborting"

    def next_plan(self) -> TrialPlan | None:
        self._look_around()
        if self._phase != "open" or self._paused:
            return None
        if self._returning:
            plan = self._offer_again(self._returning.pop(0))
        elif self._spending.trials_left:
            plan = self._create()
        else:
            return None
        if self._watcher:
            self._watcher.started(plan.number, plan.config)
        return plan

    def record(self, number: int, record: EpochRecord, checkpoint: str | None) -> bool:
        live = self._live[number]
        try:
            value = self._plan.objective.value(record.metrics)
        except SettingError as error:
            # Every trial of this recipe would lack it: the search cannot be.
            self._fatal = error
            self.abort(str(error))
            return False
        if not self._store.add_record(self._lease, number, record, checkpoint):
            return True  # a resumed trial passes again through epochs that were judged before
        live.last = record
        if checkpoint is not None:
            self._note_checkpoint(number, live, checkpoint)
        self._generation.report(live.optuna_number, record.epoch, value)
        self._spending.recorded(record)
        if self._watcher:
            self._watcher.recorded(number, record)
        reason = self._reason_to_stop(live, record)
        if reason is not None:
            live.stopped = True
            self._store.note_stop(self._lease, number, "PRUNED", reason)
        return reason is None

    def end(self, number: int, error: str | None = None) -> None:
        live = self._live[number]
        if error is not None:
            self._settle(number, "FAIL", reason=error.strip().splitlines()[-1], traceback=error)
        elif live.last is None:
            out_of_time = "The time budget ended before its first record."
            silent = "It ended without reporting a record."
            self._settle(number, "FAIL", reason=out_of_time if self._out_of_time() else silent)
        elif live.stopped:
            self._settle(number, "PRUNED")
        elif live.last.epoch < live.plan.epochs and self._out_of_time():
            self._settle(number, "PRUNED", reason="The time budget ended.")
        else:
            self._settle(number, "COMPLETE")

    def lost(self, number: int) -> None:
        if self._phase == "aborting":
            self._cut_short(number)
        elif (attempts := self._store.trial(self._study.id, number).attempts) >= MAX_ATTEMPTS:
            self._settle(number, "FAIL", reason=f"Its worker process died {attempts} times.")
        else:
            self._returning.append(number)

    # -- the end -------------------------------------------------------------------------------------------------------

    def drain(self, reason: str, *, state: StudyState = "completed") -> None:
        """No new trials; those that run go on to their end."""
        if self._phase == "open":
            self._phase, self._reason, self._end_state = "draining", reason, state

    def abort(self, reason: str, *, state: StudyState = "completed") -> None:
        """No new trials; those that run end now and keep what they reported."""
        if self._phase != "aborting":
            self._phase, self._reason, self._end_state = "aborting", reason, state

    def close(self) -> None:
        """Settle what is still live, delete the checkpoints that nobody needs any more, and write how it ended.

        Raises:
            SettingError: the records have no such metric as the objective's; those they have are listed.
        """
        for number in list(self._live):
            self._cut_short(number)
        trials = self._store.trials(self._study.id)
        records = self._store.records(self._study.id)
        self._delete(disposable(trials, records, self._plan.objective, keep=self._keep))
        usable = any(trial.value is not None and trial.state != "FAIL" for trial in trials)
        self._store.set_state(self._lease, self._end_state if usable else "failed")
        if self._fatal is not None:
            raise self._fatal

    @property
    def reason(self) -> str:
        """Why the sweep ended, as a sentence."""
        return self._reason

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _create(self) -> TrialPlan:
        number = self._spending.trials
        optuna_number, config = self._generation.ask(self._space, number)
        seed = int(numpy.random.SeedSequence([self._study.seed, number]).generate_state(1)[0])
        self._store.add_trial(
            self._lease, number, config, seed=seed, optuna_number=optuna_number, generation=self._generation.number
        )
        self._spending.trials += 1
        plan = self._plan_of(number, config, seed)
        self._live[number] = _Live(plan, optuna_number)
        return plan

    def _plan_of(self, number: int, config: Config, seed: int) -> TrialPlan:
        place = self._artifacts.place(self._study.name, number)
        return replace(self._plan, number=number, config=config, seed=seed, checkpoints=place)

    def _offer_again(self, number: int) -> TrialPlan:
        self._store.note_attempt(self._lease, number)
        live = self._live[number]
        records = self._store.records(self._study.id, number)
        best = min((self._plan.objective.rank(row.metrics) for row in records), default=None)
        live.plan = replace(live.plan, resume=live.last_checkpoint, best=best)
        return live.plan

    def _reason_to_stop(self, live: _Live, record: EpochRecord) -> str | None:
        """Why this trial must stop after this record; a trial that has all its epochs is complete, never stopped."""
        goes_on = self._scheduler.goes_on(live.plan.number, record)
        if record.epoch >= live.plan.epochs:
            return None
        if self._phase == "aborting":
            return self._reason
        if not goes_on:
            return f"The scheduler stopped it after epoch {record.epoch}."
        return None

    def _settle(
        self,
        number: int,
        state: Literal["COMPLETE", "PRUNED", "FAIL"],
        *,
        reason: str | None = None,
        traceback: str | None = None,
    ) -> None:
        live = self._live.pop(number)
        self._store.end_trial(self._lease, number, state, reason=reason, traceback=traceback)
        trial = self._store.trial(self._study.id, number)
        self._generation.tell(live.optuna_number, state, trial.value)
        if live.last is not None:
            self._scheduler.ended(number, live.last)
        if live.last_checkpoint != live.best_checkpoint and live.last_checkpoint is not None:
            self._delete([live.last_checkpoint])
        self._spending.ended()
        if self._watcher:
            self._watcher.ended(trial)

    def _cut_short(self, number: int) -> None:
        has_records = self._live[number].last is not None
        self._settle(number, "PRUNED" if has_records else "FAIL", reason=self._reason)

    def _note_checkpoint(self, number: int, live: _Live, address: str) -> None:
        """A running trial keeps its last checkpoint, to go on from, and that of its best record."""
        best = self._store.trial(self._study.id, number).checkpoint
        outlived = {live.last_checkpoint, live.best_checkpoint} - {address, best, None}
        live.last_checkpoint, live.best_checkpoint = address, best
        self._delete([old for old in outlived if old is not None])

    def _delete(self, addresses: list[str]) -> None:
        if addresses:
            self._store.forget_checkpoints(self._lease, addresses)
            for address in addresses:
                self._artifacts.delete(address)

    def _out_of_time(self) -> bool:
        return self._spending.deadline is not None and self._now() >= self._spending.deadline

    def _look_around(self) -> None:
        """Whether the budget is used up or somebody has asked for something; cheap enough for every call."""
        now = self._now()
        if self._spending.target_reached:
            self.abort("The target was reached.")
        elif self._out_of_time():
            assert self._spending.deadline is not None
            self.drain("The time budget ended.")
            if now >= self._spending.deadline + GRACE:
                self.abort("The time budget ended.")
        elif self._spending.patience_over:
            self.drain("The best has not improved for as many trials as the patience allows.")
        if now - self._requests_read >= _REQUESTS_EVERY:
            self._requests_read = now
            for request in requests.pending(self._store, self._study):
                requests.answer(self._store, self._lease, request.id, self._obey(request.verb))

    def _obey(self, verb: str) -> str:
        """Act on one request; what was done, as a sentence."""
        match verb:
            case "pause":
                self._paused = True
                self._store.set_state(self._lease, "paused")
                return "No new trials are started; those that run go on."
            case "resume":
                self._paused = False
                self._store.set_state(self._lease, "running")
                return "New trials are started again."
            case "stop":
                self.drain("It was asked to stop.", state="stopped")
                return "No new trials are started; the sweep ends with those that run."
            case "cancel":
                self.abort("It was cancelled.", state="stopped")
                return "The trials that run are ended and keep what they reported."
        return f"A driver does not act on {verb!r}."
