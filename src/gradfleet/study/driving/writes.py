"""What has happened in a sweep and is not in the store yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from gradfleet.errors import LeaseLostError, StoreError
from gradfleet.study.driving.spool import Spool
from gradfleet.study.origin import Origin
from gradfleet.study.storage import journal
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import TrialState
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import TrialPlan

Work = Callable[[Connection], object]


class Writes:
    """Written in the order in which they came, all in one transaction that holds only while the lease does.

    A commit costs as much as a dozen statements. A driver that is killed before it leaves nothing half done: what its
    trials found since is found again.

    Args:
        spool: takes the records that the store does not.
    """

    def __init__(self, store: Store, lease: Lease, spool: Spool) -> None:
        self._store = store
        self._lease = lease
        self._spool = spool
        self._works: list[Work] = []
        self._records: list[tuple[int, EpochRecord, str | None]] = []
        self._afterwards: list[Callable[[], object]] = []
        self._held = False

    def add(self, work: Work) -> None:
        """Have the inside of a transaction run with the next one; it may run twice, see `Database.write`."""
        self._works.append(work)

    def add_trial(self, plan: TrialPlan, *, optuna_number: int, generation: int, origin: Origin | None) -> None:
        beside = {"seed": plan.seed, "optuna_number": optuna_number, "generation": generation, "origin": origin}
        self._add(journal.add_trial, plan.number, plan.config, **beside)

    def add_attempt(self, number: int) -> None:
        self._add(journal.add_attempt, number)

    def add_record(self, number: int, record: EpochRecord, checkpoint: str | None) -> None:
        self._records.append((number, record, checkpoint))
        self._add(journal.add_record, number, record, checkpoint)

    def note_stop(self, number: int, state: TrialState, reason: str) -> None:
        self._add(journal.note_stop, number, state, reason)

    def end_trial(self, number: int, state: TrialState, *, reason: str | None, traceback: str | None) -> None:
        self._add(journal.end_trial, number, state, reason=reason, traceback=traceback)

    def reopen(self, number: int, *, optuna_number: int, generation: int) -> None:
        self._add(journal.reopen, number, optuna_number=optuna_number, generation=generation)

    def forget_checkpoints(self, addresses: Sequence[str]) -> None:
        self._add(journal.forget_checkpoints, addresses)

    def _add(self, write: Callable[..., object], *values: Any, **named: Any) -> None:
        self.add(lambda connection: write(connection, self._lease.study, *values, **named))

    def afterwards(self, action: Callable[[], object]) -> None:
        """Call this once all that came before it is written."""
        self._afterwards.append(action)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write nothing before the end of the `with`."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self.write()

    def write_now(self) -> None:
        """Unless it is to be written together with what comes."""
        if not self._held:
            self.write()

    def write(self) -> None:
        """Write all there is.

        Raises:
            StoreError: the store does not take it; what trials have recorded is spooled.
            LeaseLostError: the study is another driver's.
        """
        while self._works or self._afterwards:
            self._write_works()
            actions, self._afterwards = self._afterwards, []
            for action in actions:
                action()

    def _write_works(self) -> None:
        works = self._works
        if works:
            try:
                self._store.fenced(self._lease, lambda connection: [work(connection) for work in works])
            except LeaseLostError:
                raise
            except StoreError:
                for number, record, checkpoint in self._records:
                    self._spool.add(number, record, checkpoint)
                raise
        self._works, self._records = [], []
