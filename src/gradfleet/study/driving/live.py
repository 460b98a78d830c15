"""A trial that a driver holds: planned, running, or waiting to be handed out again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gradfleet.study.origin import Origin
from gradfleet.study.storage.rows import RecordRow, TrialRow
from gradfleet.training.history import EpochRecord
from gradfleet.trials.checkpoints import epoch_of
from gradfleet.trials.plan import TrialPlan

Rank = tuple[float, ...]


@dataclass(slots=True)
class LiveTrial:
    """What the driver must know of a trial between its plan and its end.

    Attributes:
        optuna_number: None for a trial of an earlier space that the present one does not have.
        stored: whether the store has it, or is about to; a plan that never begins leaves no trace there.
        epochs: those that are recorded.
        last: its last record.
        best_metrics: all numbers of its best record.
        best: the rank of its best record.
        last_checkpoint: what it would go on from.
        best_checkpoint: of the best record that has one.
        damaged: the addresses of those that were found to be damaged.
        origin: where it comes from, when it did not start anew.
        inherited: the checkpoint that it went on from then.
        paused: it waits for others.
        stopped: it was told to end; it is PRUNED then.
        problem: why it fails whatever it does.
        begun: when this attempt of it began, in Unix seconds.
        deaths: how many workers have died under it in this driver's time.
    """

    plan: TrialPlan
    optuna_number: int | None
    stored: bool = False
    epochs: set[int] = field(default_factory=set)
    last: EpochRecord | None = None
    best_metrics: Mapping[str, float] | None = None
    best: Rank | None = None
    last_checkpoint: str | None = None
    best_checkpoint: str | None = None
    damaged: set[str] = field(default_factory=set)
    _best_kept: Rank | None = None
    origin: Origin | None = None
    inherited: str | None = None
    paused: bool = False
    stopped: bool = False
    problem: str | None = None
    begun: float = 0.0
    deaths: int = 0
    _history: list[EpochRecord] = field(default_factory=list)

    @classmethod
    def of_row(
        cls, plan: TrialPlan, trial: TrialRow, history: Sequence[RecordRow], *, optuna_number: int | None
    ) -> LiveTrial:
        """A trial that an earlier driver left running."""
        live = cls(plan, optuna_number, stored=True, stopped=trial.stopping == "PRUNED")
        for row in history:
            live.note(row.record, row.checkpoint)
        return live

    @property
    def has_all_epochs(self) -> bool:
        return self.last is not None and self.last.epoch >= self.plan.epochs

    @property
    def first(self) -> int:
        """The first epoch of its own."""
        return 1 if self.origin is None else self.origin.epoch + 1

    def note(self, record: EpochRecord, checkpoint: str | None) -> list[str]:
        """Take in a record; the addresses of the checkpoints that nobody needs any more.

        A running trial needs its last one, to go on from, and its best one.
        """
        rank, value = self.plan.objective.rank(record.metrics), self.plan.objective.value(record.metrics)
        self.last = record
        self.epochs.add(record.epoch)
        if self.plan.objective.num_runs > 1:
            self._history.append(record)
        if not math.isnan(value) and (self.best is None or rank < self.best):
            self.best, self.best_metrics = rank, record.metrics
        if checkpoint is None:
            return []
        before = {self.last_checkpoint, self.best_checkpoint}
        self.last_checkpoint = checkpoint
        if self._best_kept is None or rank < self._best_kept:
            self._best_kept, self.best_checkpoint = rank, checkpoint
        return [old for old in before - {self.last_checkpoint, self.best_checkpoint} if old is not None]

    def needs(self, address: str) -> bool:
        return address in (self.last_checkpoint, self.best_checkpoint)

    @property
    def resume(self) -> str | None:
        """The checkpoint that its next attempt goes on from: its last one, or the one before where that is damaged."""
        kept = (self.last_checkpoint, self.best_checkpoint, self.inherited)
        return next((address for address in kept if address is not None and address not in self.damaged), None)

    def go_on(self) -> TrialPlan:
        """The plan of its next attempt."""
        recorded = self.first - 1 if self.last is None else self.last.epoch
        resume = self.resume
        if self.last_checkpoint in self.damaged and self.plan.objective.num_runs == 1:
            # It passes through the epochs since again, and writes their checkpoints anew.
            recorded = self.first - 1 if resume in (None, self.inherited) else epoch_of(resume)
        self.plan = replace(
            self.plan,
            resume=resume,
            best=self.best,
            recorded=recorded,
            history=tuple(self._history),
            inherits=resume is not None and resume == self.inherited,
            attempted=self.stored,
        )
        return self.plan
