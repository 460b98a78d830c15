"""The lease of a study: one driver at a time, and a late one's writes refused."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, Update, insert, select, update

from gradfleet.errors import LeaseHeldError, LeaseLostError, StoreError
from gradfleet.study.storage.holder import SILENCE, Holder
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import leases

_let_go: set[tuple[str, int, int]] = set()
"""Leases of this process that have ended and could not say so in the store: its URL, the study's id, the number."""


class Lease:
    """The right to write one study, under a fencing number that grows with every driver.

    A thread renews it; every write checks the number in its own transaction, so that a driver that was asleep while
    another took over writes nothing.

    Example:
        >>> with Lease.acquire(store, study) as lease:  # doctest: +SKIP
        ...     store.set_state(lease, "running")
    """

    def __init__(self, store: Store, study: StudyRow, number: int, *, heartbeat: float) -> None:
        self.study = study
        self.number = number
        self._store = store
        self._ended = threading.Event()
        self._lost = False
        threading.Thread(target=self._keep, args=(heartbeat,), name=f"lease of {study.name}", daemon=True).start()

    @classmethod
    def acquire(
        cls,
        store: Store,
        study: StudyRow,
        *,
        wait: bool = True,
        say: Callable[[str], None] | None = None,
        heartbeat: float = 10.0,
        silence: float = SILENCE,
    ) -> Lease:
        """Take the study over, at once when its last driver has ended or is provably dead.

        Args:
            wait: wait for a driver on another host to have been silent long enough; False raises instead.
            say: takes one line when there is a wait.
            heartbeat: seconds between renewals.
            silence: seconds without a renewal after which a driver that cannot be looked at counts as dead.

        Raises:
            LeaseHeldError: a living driver holds it.
        """
        holder = Holder.current()
        watch: _Watch | None = None
        while True:
            take = partial(_take, url=store.url, study=study, holder=holder, silence=silence, watch=watch)
            taken = store.database.write(take)
            if isinstance(taken, int):
                return cls(store, study, taken, heartbeat=heartbeat)
            if not wait or Holder.of_row(taken).is_here() or (watch is not None and watch.renewed(taken)):
                raise _held(study, taken)
            if watch is None:
                watch = _Watch(taken)
                if say is not None:
                    left = f"{silence - _silent_for(taken, watch):.0f} s"
                    say(f"Study {study.name!r} was held by {_who(taken)}; taking over in {left} if it stays silent.")
            time.sleep(min(1.0, silence / 10))

    @staticmethod
    def is_held(store: Store, study: StudyRow, *, silence: float = SILENCE) -> bool | None:
        """Whether a driver works on the study, as far as can be seen from here; None when none ever did."""
        row = store.database.read(lambda connection: connection.execute(_row(study)).first())
        if row is None:
            return None
        return _holds(row, store, study, silence)

    @staticmethod
    def holder(store: Store, study: StudyRow) -> Holder | None:
        """The driver that works on the study, as far as can be seen from here; None when none does."""
        row = store.database.read(lambda connection: connection.execute(_row(study)).first())
        return Holder.of_row(row) if row is not None and _holds(row, store, study, SILENCE) else None

    @staticmethod
    def check_free(store: Store, study: StudyRow) -> None:
        """Refuse a study that a living driver on this host works on, without taking it.

        Raises:
            LeaseHeldError: who holds it, and since when.
        """
        row = store.database.read(lambda connection: connection.execute(_row(study)).first())
        if row is not None and not row.released and Holder.of_row(row).is_here() and Lease.is_held(store, study):
            raise _held(study, row)

    @property
    def lost(self) -> bool:
        """Whether another driver is known to have taken over."""
        return self._lost

    def check(self, connection: Connection) -> None:
        """Hold the lease still until the transaction of `connection` ends.

        Raises:
            LeaseLostError: the lease is another driver's, or was released.
        """
        row = connection.execute(_row(self.study).with_for_update(read=True)).first()
        if row is not None and row.number == self.number and not row.released:
            return
        self._lost = True
        why = (
            f"it was taken over by {_who(row)}" if row is not None and row.number != self.number else "it was released"
        )
        raise LeaseLostError(
            f"The lease {self.number} of study {self.study.name!r} has ended: {why}. "
            "Nothing was written, and this driver must end."
        )

    def release(self) -> None:
        """Let the next driver in. Releasing twice, or after a loss, does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        released = self._mine().values(released=True)
        try:
            self._store.database.write(lambda connection: connection.execute(released))
        except StoreError:  # another process finds this one ended or silent
            _let_go.add((self._store.url, self.study.id, self.number))

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _mine(self) -> Update:
        return update(leases).where(leases.c.study_id == self.study.id, leases.c.number == self.number)

    def _keep(self, heartbeat: float) -> None:
        while not self._lost and not self._ended.wait(heartbeat):
            with contextlib.suppress(StoreError):  # the next write of the driver itself says so
                self._lost = not self._renew()

    def _renew(self) -> bool:
        renewal = self._mine().values(heartbeat=time.time())
        return self._store.database.write(lambda connection: connection.execute(renewal).rowcount == 1)


class _Watch:
    """A holder that is waited for, as it looked when the wait began."""

    def __init__(self, row: Row[Any]) -> None:
        self._row = row
        self._began = time.monotonic()

    def renewed(self, row: Row[Any]) -> bool:
        """Whether it has shown life since."""
        return (row.number, row.heartbeat) != (self._row.number, self._row.heartbeat)

    def seconds(self) -> float:
        return time.monotonic() - self._began


def _take(
    connection: Connection, url: str, study: StudyRow, holder: Holder, *, silence: float, watch: _Watch | None
) -> int | Row[Any]:
    """The fencing number when the lease could be taken, else the row of the present holder."""
    now = time.time()
    values = {**asdict(holder), "released": False, "since": now, "heartbeat": now}
    row = connection.execute(_row(study).with_for_update()).first()
    if row is None:
        connection.execute(insert(leases).values(study_id=study.id, number=1, **values))
        return 1
    if not _has_ended(row, url, study) and _silent_for(row, watch) < silence:
        return row
    number: int = row.number + 1
    connection.execute(update(leases).where(leases.c.study_id == study.id).values(number=number, **values))
    return number


def _holds(row: Row[Any], store: Store, study: StudyRow, silence: float) -> bool:
    """Whether the driver is at work, as far as can be seen from here."""
    return not _has_ended(row, store.url, study) and _silent_for(row, None) < silence


def _has_ended(row: Row[Any], url: str, study: StudyRow) -> bool:
    """Whether the driver says so, was one of this process that could not say so, or is provably dead."""
    if row.released or Holder.of_row(row).provably_dead():
        return True
    return Holder.of_row(row) == Holder.current() and (url, study.id, row.number) in _let_go


def _silent_for(row: Row[Any], watch: _Watch | None) -> float:
    """Seconds; by our clock, or as long as we have watched: two hosts' clocks may differ."""
    by_clock: float = time.time() - row.heartbeat
    return by_clock if watch is None or watch.renewed(row) else max(by_clock, watch.seconds())


def _row(study: StudyRow) -> Select[Any]:
    return select(leases).where(leases.c.study_id == study.id)


def _held(study: StudyRow, row: Row[Any]) -> LeaseHeldError:
    return LeaseHeldError(
        f"Study {study.name!r} is held by {_who(row)}. Wait for it to end, stop it, or look on with Study.attach."
    )


def _who(row: Row[Any]) -> str:
    since = datetime.fromtimestamp(row.since).astimezone().isoformat(" ", "seconds")
    return f"process {row.pid} on host {row.host} since {since}"
