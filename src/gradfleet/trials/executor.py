"""Where plans are run: the Executor seam, and the executor that needs nothing but this process."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from gradfleet.errors import TrialStopped
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipe import Recipe
from gradfleet.trials.run import run_trial

_PAUSE = 0.1  # seconds between two looks at a ledger that has nothing to run now


class Ledger(Protocol):
    """The study's side of a sweep: hands out plans, takes what happened, decides who goes on.

    A plan goes from `next_plan` over `begin` and any number of `record` to `end` or `lost`, or unused to `hand_back`.
    What is told is kept when the call returns, unless it is one of several `together`.
    """

    def together(self) -> AbstractContextManager[None]:
        """What is told inside of the `with` is kept at its end, all at once; answers come at once."""
        ...

    @property
    def finished(self) -> bool:
        """Whether no further plan will ever come."""
        ...

    @property
    def aborted(self) -> bool:
        """Whether what still runs must be ended at once, in the middle of an epoch."""
        ...

    @property
    def held(self) -> bool:
        """Whether no trial may begin now; plans that have not begun should be handed back."""
        ...

    @property
    def overdue(self) -> Collection[int]:
        """Running trials that nothing was heard of for too long; their workers must be ended, and count as `lost`."""
        ...

    def next_plan(self) -> TrialPlan | None:
        """The next trial to run; None when there is none now or, with `finished`, ever."""
        ...

    def begin(self, number: int) -> None:
        """A worker begins the trial. Until then the study knows nothing of it."""
        ...

    def hand_back(self, number: int) -> None:
        """The plan was not begun; it may be handed out again."""
        ...

    def record(self, number: int, record: EpochRecord, checkpoint: str | None) -> bool:
        """Keep one record; whether the trial may go on."""
        ...

    def end(self, number: int, error: str | None = None) -> None:
        """The trial has ended: by itself, because it was told to, or with the traceback `error`."""
        ...

    def lost(self, number: int) -> None:
        """The trial's worker died under it; the ledger may hand the trial out again."""
        ...

    def noted(self, text: str) -> None:
        """Something beside has happened, such as a wait: a sentence for whoever looks on."""
        ...


class Executor(Protocol):
    """Runs every plan that a ledger hands out. Plans may run side by side, many in one process."""

    def run(self, recipe: Recipe, ledger: Ledger) -> None:
        """Return when the ledger is finished and nothing runs any more."""
        ...

    def interrupt(self) -> None:
        """End what runs in this very process, from a signal handler that interrupts `run`; the ledger has aborted."""
        ...


class InlineExecutor:
    """One trial after the other in this process: for tests, debugging and tabulated benchmarks."""

    def __init__(self) -> None:
        self._training = False

    def run(self, recipe: Recipe, ledger: Ledger) -> None:
        while not ledger.finished:
            plan = ledger.next_plan()
            if plan is None:
                time.sleep(_PAUSE)
            else:
                self._run_one(recipe, plan, ledger)

    def _run_one(self, recipe: Recipe, plan: TrialPlan, ledger: Ledger) -> None:
        faults: list[Exception] = []

        def report(record: EpochRecord, checkpoint: str | None = None) -> None:
            self._training = False
            try:
                goes_on = ledger.record(plan.number, record, checkpoint)
            except Exception as error:  # the ledger's, which must not pass for the trial's
                faults.append(error)
                raise TrialStopped from error
            if not goes_on:
                raise TrialStopped
            self._training = True

        ledger.begin(plan.number)
        error = None
        with suppress(TrialStopped):  # an interrupt may come just before or after the trial's own code
            self._training = True
            error = run_trial(recipe, plan, report)
        self._training = False
        if faults:
            raise faults[0]
        ledger.end(plan.number, error=error)

    def interrupt(self) -> None:
        if self._training:  # and is not in the middle of a write to the store
            self._training = False
            raise TrialStopped
