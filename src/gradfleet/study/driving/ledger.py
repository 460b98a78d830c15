"""The study's side of a sweep: it hands out plans, keeps what happens, and says who goes on.

It decides in memory and writes in the order in which things happened, in transactions that check the lease. That is
what makes a sweep survive SIGKILL at any moment: the store holds what was true at some moment just before, the workers
end with their driver, and what they found since is found again.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy

from gradfleet.errors import SettingError, StoreError, in_words
from gradfleet.search.space import SearchSpace
from gradfleet.study.driving import reasons
from gradfleet.study.driving.budget import Budget, Spending
from gradfleet.study.driving.chronicle import chronicle
from gradfleet.study.driving.failures import GIVE_UP, Despair, why_none
from gradfleet.study.driving.keeping import Keeping
from gradfleet.study.driving.live import LiveTrial
from gradfleet.study.driving.micro_batches import MicroBatches
from gradfleet.study.driving.roster import Roster
from gradfleet.study.driving.spool import Spool
from gradfleet.study.driving.steering import Steering
from gradfleet.study.driving.vigil import Vigil
from gradfleet.study.driving.watcher import Watcher
from gradfleet.study.driving.writes import Writes
from gradfleet.study.mirror.generation import Generation
from gradfleet.study.retention import disposable
from gradfleet.study.schedulers.scheduler import Drop, Fork, Scheduler, Verdict
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import RecordRow, StudyState, TrialRow, TrialState
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import Config, TrialPlan

MAX_DEATHS = 3
"""How often a trial is tried when its worker dies each time; one that always kills its worker must not loop."""


class StudyLedger:
    """Implements `trials.executor.Ledger` over one study; the only writer while it holds the lease.

    Args:
        plan: what every plan of this study shares; the number, config, seed and checkpoints of a trial are filled in.
            Its `deadline` is the sweep's.
        keep: how many of the best trials keep their checkpoint after the sweep.
        stall: seconds without a record after which a trial counts as hanging; None as `Vigil` has it.
        retry_failed: let trials that failed in earlier sweeps run again, from their last checkpoint.
        give_up: end the search when so many trials, its first ones, have failed of the same cause; None never does.
        since: Unix time in seconds at which this sweep was asked for; requests from before it are not obeyed.
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
        stall: float | None = None,
        retry_failed: bool = False,
        give_up: int | None = GIVE_UP,
        since: float = -math.inf,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._lease = lease
        self._study = lease.study
        self._space = space
        self._generation = generation
        self._scheduler = scheduler
        self._plan = replace(plan, milestones=scheduler.milestones)
        self._keep = keep
        self._watcher = watcher
        self._retry_failed = retry_failed
        self._give_up = give_up
        self._despair = Despair(give_up, hope=False)
        self._vigil = Vigil(stall)
        self._spool = Spool(self._study, store=store.url)
        self._writes = Writes(store, lease, self._spool)
        generation.write_with(self._writes.add)
        self._spending = Spending(budget, plan.objective)
        self._steering = Steering(store, lease, self._spending, deadline=plan.deadline, since=since, now=now)
        self._now = now
        self._fatal: SettingError | None = None
        self._roster = Roster()
        self._keeping = Keeping(store, self._study, writes=self._writes, roster=self._roster)
        self._micro_batches = MicroBatches()

    # The start: everything is rebuilt from the store

    def open(self) -> None:
        """Bring Optuna, the scheduler and the counters to where the store is; line up the trials that were running."""
        self._hand_in()
        trials = self._store.trials(self._study.id)
        records = self._store.records(self._study.id)
        self._generation.reconcile(trials, records)
        if self._reopen(trials):
            self._writes.write()
            trials = self._store.trials(self._study.id)
        self._roster.know(trial.number for trial in trials)
        self._despair = Despair(self._give_up, hope=any(trial.value is not None for trial in trials))
        histories: dict[int, list[RecordRow]] = {trial.number: [] for trial in trials}
        verdicts = dict.fromkeys(histories, Verdict.GO_ON)
        configs = {trial.number: trial.config for trial in trials}
        for trial in trials:
            self._scheduler.began(trial.number, trial.config, trial.came_from)
        for event in chronicle(trials, records):
            history = histories[event.number]
            if isinstance(event, RecordRow):
                history.append(event)
                self._micro_batches.note(configs[event.number], event.record.metrics)
                self._spending.recorded(event.record)
                verdicts[event.number] = self._scheduler.judge(event.number, event.record)
            else:
                self._count_end(event.number, last=history[-1].record if history else None)
        for trial in trials:
            if trial.state == "RUNNING":
                self._take_up(trial, histories[trial.number], verdicts[trial.number])
        self._writes.write()
        self._store.set_state(self._lease, "running")
        if self._watcher:
            found = self._store.changes(self._study.id)
            self._watcher.gone_on_with(found.trials, found.records)

    def _reopen(self, trials: Sequence[TrialRow]) -> bool:
        """Let run again what a sweep's end cut off before its first record and, if asked to, all that failed."""
        failed = [trial for trial in trials if trial.state == "FAIL"]
        again = [trial for trial in failed if self._retry_failed or trial.stopping == "FAIL"]
        for trial in again:
            optuna_number = self._generation.again(self._space, trial.number, trial.config)
            if optuna_number is not None:
                generation = self._generation.number
                self._writes.reopen(trial.number, optuna_number=optuna_number, generation=generation)
        return bool(again)

    def _hand_in(self) -> None:
        """What an earlier driver could not write."""
        for number, record, checkpoint in self._spool:
            self._store.add_record(self._lease, number, record, checkpoint)
        self._spool.clear()

    def _take_up(self, trial: TrialRow, history: Sequence[RecordRow], verdict: Verdict) -> None:
        """A trial whose driver died: settle it when its end was already decided, else line it up."""
        plan = self._plan_of(trial.number, trial.config, trial.seed)
        place = self._generation.place(trial.number)
        live = self._roster.add(LiveTrial.of_row(plan, trial, history, optuna_number=place))
        live.paused = verdict is Verdict.PAUSE
        self._keeping.inherit(live, trial.came_from)
        if verdict is Verdict.STOP and not (live.stopped or live.has_all_epochs):  # killed before it was written
            self._stop(live, reasons.stopped(history[-1].record))
        self._again(trial.number)

    # What an executor asks and tells

    def together(self) -> AbstractContextManager[None]:
        return self._writes.together()

    @property
    def finished(self) -> bool:
        self._steering.look_around()
        goes_on = self._may_ask or self._roster.is_busy or self._scheduler.next_move() is not None
        return self._steering.ending or not goes_on

    @property
    def aborted(self) -> bool:
        self._steering.look_around()
        return self._steering.aborting

    @property
    def held(self) -> bool:
        self._steering.look_around()
        return self._steering.held

    @property
    def overdue(self) -> list[int]:
        found = self._vigil.overdue()
        for number in found:
            assert self._vigil.limit is not None, "without a measure nobody is overdue"
            self._vigil.ends(number)
            self._roster[number].problem = reasons.hung(self._vigil.limit)
        return found

    def next_plan(self) -> TrialPlan | None:
        if self.held:
            return None
        waiting = self._roster.next_waiting()
        plan = waiting.go_on() if waiting is not None else self._move() or self._new()
        self._writes.write_now()
        return plan

    def begin(self, number: int) -> None:
        live = self._roster[number]
        self._vigil.begins(number)
        live.begun = self._now()
        self._spending.has_begun = True
        if live.stored:
            self._writes.add_attempt(number)
        else:
            self._add_trial(live)
        if self._watcher:
            self._watcher.started(number, live.plan.config)
        self._writes.write_now()

    def noted(self, text: str) -> None:
        if self._watcher:
            self._watcher.noted(text)

    def hand_back(self, number: int) -> None:
        self._roster.line_up(number)

    def record(self, number: int, record: EpochRecord, checkpoint: str | None) -> bool:
        goes_on = self._judged(self._roster[number], record, checkpoint)
        self._writes.write_now()
        return goes_on

    def _judged(self, live: LiveTrial, record: EpochRecord, checkpoint: str | None) -> bool:
        """Take in a record; whether its trial may go on."""
        number = live.plan.number
        self._vigil.heard(number)
        if record.epoch < live.first:  # of a function that starts anew where it could go on from its parent's weights
            return self._may_go_on(live)
        try:
            value = self._plan.objective.value(record.metrics)
        except SettingError as error:
            self._no_such_metric(live, error)
            return False
        if record.epoch in live.epochs:  # a resumed trial passes again through epochs that were judged before
            live.damaged.discard(checkpoint or "")
            if checkpoint is not None and not live.needs(checkpoint):
                self._keeping.delete_later([checkpoint])
            return self._may_go_on(live)
        self._writes.add_record(number, record, checkpoint)
        self._generation.report(live.optuna_number, record.epoch, value)
        self._keeping.delete_later(live.note(record, checkpoint))
        self._spending.recorded(record)
        self._micro_batches.note(live.plan.config, record.metrics)
        if self._watcher:
            self._watcher.recorded(number, record)
        verdict = self._scheduler.judge(number, record)
        live.paused = verdict is Verdict.PAUSE and not live.has_all_epochs
        return self._may_go_on(live, reasons.stopped(record) if verdict is Verdict.STOP else None) and not live.paused

    def end(self, number: int, error: str | None = None) -> None:
        self._end(number, error)
        self._writes.write_now()

    def _end(self, number: int, error: str | None = None) -> None:
        live = self._roster[number]
        if live.problem is not None:
            self._settle(number, "FAIL", reason=live.problem)
        elif error is not None:
            self._settle(number, "FAIL", reason=reasons.raised(error), traceback=error)
        elif live.last is None and self._steering.out_of_time:
            self._cut_off(number, reasons.NO_TIME)
        elif self._steering.aborting and not (live.stopped or live.has_all_epochs):
            self._cut_short(live)
        elif live.last is None:
            self._settle(number, "FAIL", reason=reasons.NO_RECORD)
        elif live.stopped:
            self._settle(number, "PRUNED")
        elif live.paused:
            self._pause(number)
        elif not live.has_all_epochs and self._steering.out_of_time:
            self._settle(number, "PRUNED", reason=reasons.OUT_OF_TIME)
        else:
            self._settle(number, "COMPLETE")

    def lost(self, number: int) -> None:
        live = self._roster[number]
        live.deaths += 1
        self._vigil.ends(number)
        if live.problem is not None:
            self._settle(number, "FAIL", reason=live.problem)
        elif self._steering.aborting:
            self._cut_short(live)
        elif live.deaths >= MAX_DEATHS:
            if not live.stored:
                self._add_trial(live)
            self._settle(number, "FAIL", reason=reasons.died(live.deaths))
        else:
            self._again(number)
        self._writes.write_now()

    # The end

    def drain(self, reason: str, *, state: StudyState = "completed") -> None:
        """No new trials; those that run go on to their end."""
        self._steering.drain(reason, state=state)

    def abort(self, reason: str, *, state: StudyState = "completed") -> None:
        """No new trials; those that run end now and keep what they reported."""
        self._steering.abort(reason, state=state)

    def close(self) -> None:
        """Settle what is still live, delete the checkpoints that nobody needs any more, and write how it ended.

        Raises:
            SettingError: the records have no such metric as the objective's; those they have are listed.
        """
        for live in self._roster:
            self._cut_short(live)
        self._writes.write()
        trials = self._store.trials(self._study.id)
        records = self._store.records(self._study.id)
        self._keeping.delete(disposable(trials, records, self._plan.objective, keep=self._keep))
        self._writes.write()
        usable = any(trial.value is not None and trial.state != "FAIL" for trial in trials)
        if usable:
            self._store.set_state(self._lease, self._steering.end_state)
        else:
            self._store.set_state(self._lease, "failed", problem=self._why_failed(trials))
        if self._fatal is not None:
            raise self._fatal

    def _why_failed(self, trials: Sequence[TrialRow]) -> str:
        if self._fatal is not None:
            return in_words(self._fatal)
        return f"{why_none(self._study.name, trials, self._plan.objective.metric)} {self.reason}"

    def abandon(self, error: BaseException) -> None:
        """The driver failed: what runs stays as it is, for the next driver to go on with."""
        with contextlib.suppress(StoreError):  # the store may be what failed
            self._store.set_state(self._lease, "failed", problem=in_words(error))

    @property
    def reason(self) -> str:
        """Why the sweep ended, as a sentence."""
        return self._steering.reason

    # Parts

    @property
    def _trials_left(self) -> bool:
        return self._spending.allows(self._roster.num_given + 1) and not self._generation.exhausted

    @property
    def _may_ask(self) -> bool:
        return self._trials_left and self._scheduler.takes_new

    def _move(self) -> TrialPlan | None:
        """What the scheduler wants before a new trial begins; no trial is moved before its worker has let go of it."""
        while (move := self._scheduler.next_move()) is not None:
            if not (isinstance(move, Fork) or self._roster.rests(move.number)):
                return None
            self._scheduler.made(move)
            if isinstance(move, Fork):
                return self._ask(move)
            live = self._roster.wake(move.number)
            if not isinstance(move, Drop):
                return live.go_on()
            self._stop(live, move.reason)
            self._settle(move.number, "PRUNED")
        return None

    def _new(self) -> TrialPlan | None:
        return self._ask() if self._may_ask and self._scheduler.next_move() is None else None

    def _pause(self, number: int) -> None:
        """Its worker is free, and the trial waits until the scheduler has it go on or ends it."""
        self._vigil.ends(number)
        self._roster.pause(number)

    def _ask(self, fork: Fork | None = None) -> TrialPlan:
        """A new trial, as yet known to Optuna only: the store has it when it begins.

        A driver that is killed before that leaves it to the next one, which asks for the same number.
        """
        number = self._roster.next_number
        given = None if fork is None else dict(fork.config)
        optuna_number, config = self._generation.ask(self._space, number, given)
        seed = int(numpy.random.SeedSequence([self._study.seed, number]).generate_state(1)[0])
        plan = self._plan_of(number, config, seed)
        live = self._roster.add(LiveTrial(plan, optuna_number))
        self._keeping.inherit(live, None if fork is None else fork.origin)
        self._scheduler.began(number, config, live.origin)
        return live.go_on()

    def _plan_of(self, number: int, config: Config, seed: int) -> TrialPlan:
        place, log = self._keeping.place(number), self._keeping.log(number)
        plan = replace(self._plan, number=number, config=config, seed=seed, checkpoints=place, log=log)
        return replace(plan, micro_batch=self._micro_batches.of(config))

    def _add_trial(self, live: LiveTrial) -> None:
        assert live.optuna_number is not None, "asked of Optuna, in this generation"
        beside = {"optuna_number": live.optuna_number, "generation": self._generation.number}
        self._writes.add_trial(live.plan, **beside, origin=live.origin)
        live.stored = True

    def _again(self, number: int) -> None:
        """Line up a trial that runs no more, unless its end is decided already."""
        live = self._roster[number]
        if live.stopped or live.has_all_epochs:
            self._end(number)
        elif live.paused:
            self._roster.pause(number)
        else:
            for sentence in self._keeping.damaged(live):
                self.noted(sentence)
            self._roster.line_up(number)

    def _no_such_metric(self, live: LiveTrial, error: SettingError) -> None:
        """A record without the objective fails its trial; the first one of a study, all of it: the search cannot be."""
        live.problem = str(error)
        if not self._spending.has_records:
            self._fatal = error
            self.abort(str(error))

    def _may_go_on(self, live: LiveTrial, reason: str | None = None) -> bool:
        """Whether the trial may train on; with a reason, or at the sweep's own end, it is stopped.

        One that has all its epochs is complete, and never stopped.
        """
        self._steering.look_around()
        at_the_end = self._steering.aborting or self._steering.out_of_time
        if live.has_all_epochs:
            return not at_the_end
        if at_the_end:
            reason = self._steering.reason
        if reason is not None:
            self._stop(live, reason)
        return reason is None

    def _stop(self, live: LiveTrial, reason: str) -> None:
        live.stopped = True
        self._writes.note_stop(live.plan.number, "PRUNED", reason)

    def _cut_short(self, live: LiveTrial) -> None:
        number = live.plan.number
        if not live.stored:  # it never began, so nobody needs to know
            self._roster.remove(number)
            self._generation.tell(live.optuna_number, "FAIL")
        elif live.stopped or live.has_all_epochs:
            self._end(number)
        elif live.last is None:
            self._cut_off(number, self._steering.reason)
        else:
            why = self._scheduler.why_waiting(number) if live.paused else None
            self._settle(number, "PRUNED", reason=why or self._steering.reason)

    def _cut_off(self, number: int, reason: str) -> None:
        """The sweep ends before the trial's first record, by no fault of its own: the next sweep tries it again."""
        had = self._now() - self._roster[number].begun if self._steering.out_of_time else None
        why = reasons.cut_off(reason, had=had)
        self._writes.note_stop(number, "FAIL", why)
        self._settle(number, "FAIL", reason=why)

    def _settle(
        self, number: int, state: TrialState, *, reason: str | None = None, traceback: str | None = None
    ) -> None:
        live = self._roster.remove(number)
        self._vigil.ends(number)
        self._writes.end_trial(number, state, reason=reason, traceback=traceback)
        self._generation.tell(live.optuna_number, state, live.best_metrics)
        if live.last_checkpoint is not None and live.last_checkpoint != live.best_checkpoint:
            self._keeping.delete_later([live.last_checkpoint])
        self._count_end(number, last=live.last)
        if self._watcher:
            self._watcher.ended(number, state, reason)
        if not (self._steering.ending or self._steering.out_of_time):
            given_up = self._despair.ended(reason if state == "FAIL" else None)
            if given_up is not None:
                self.abort(given_up)

    def _count_end(self, number: int, *, last: EpochRecord | None) -> None:
        self._scheduler.ended(number, last)
        self._spending.ended()
