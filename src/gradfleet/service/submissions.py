"""Submissions: the sweeps that were asked for, and which process sees to each of them.

A submission is written before anything is started, and is done when its sweep needs nobody any more. In between one
process at a time holds it, under a claim whose number grows: the driver of a sweep on this machine for as long as that
runs, the sender of one on a remote cluster until it is sent. When the process dies, another one claims it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, insert, select, update

from gradfleet.errors import ConflictError
from gradfleet.study.storage.database import one_at_a_time
from gradfleet.study.storage.holder import Holder, held_here
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import studies, submissions

State = Literal["queued", "claimed", "done", "failed", "stopped"]

MOST_ATTEMPTS = 5
"""So many processes may die over one submission."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A sweep that was asked for.

    Attributes:
        spec: what was asked, as `SweepSpec` takes it.
        created: Unix time; by whose token.
        problem: why it failed, or what it waits for.
        attempts: how many processes have claimed it since it was asked for, or asked for again.
        not_before: Unix time of the next attempt.
        retry_failed: whether trials that failed run again too.
        claim: the number under which a process holds it.
        holder: that process; None while there is none.
    """

    name: str
    spec: Mapping[str, Any]
    created: float
    created_by: str
    state: State
    problem: str | None
    attempts: int
    not_before: float
    retry_failed: bool
    claim: int
    holder: Holder | None
    heartbeat: float

    @property
    def is_held(self) -> bool:
        """Whether a living process sees to it, as far as can be told from here."""
        return self.state == "claimed" and self.holder is not None and self.holder.is_alive(self.heartbeat)

    @property
    def is_due(self) -> bool:
        """Whether somebody should see to it now."""
        if self.state == "claimed":
            return not self.is_held
        return self.state == "queued" and self.not_before <= time.time()


def add(store: Store, name: str, spec: Mapping[str, Any], *, by: str) -> bool:
    """Ask for a sweep; False when the same was asked for before.

    Raises:
        ConflictError: another sweep has the name.
    """
    values = {"name": name, "spec": dict(spec), "created": time.time(), "created_by": by, "state": "queued"}
    values |= {"attempts": 0, "not_before": 0.0, "retry_failed": False, "claim": 0}

    def work(connection: Connection) -> bool:
        one_at_a_time(connection)  # else two of one name could both find it free
        there = connection.execute(select(submissions).where(submissions.c.name == name)).first()
        if there is not None:
            if there.spec == values["spec"]:
                return False
            raise ConflictError(f"A sweep called {name!r} was asked for with another spec. Choose another name.")
        if connection.execute(select(studies.c.id).where(studies.c.name == name)).first():
            raise ConflictError(f"A sweep called {name!r} is in the store already. Choose another name.")
        connection.execute(insert(submissions).values(values))
        return True

    return store.database.write(work)


def get(store: Store, name: str) -> Submission | None:
    found = _read(store, select(submissions).where(submissions.c.name == name))
    return found[0] if found else None


def listed(store: Store) -> list[Submission]:
    """All, oldest first."""
    return _read(store, select(submissions).order_by(submissions.c.id))


def unsettled(store: Store) -> list[Submission]:
    """Those that are not done yet, oldest first."""
    query = select(submissions).where(submissions.c.state.in_(("queued", "claimed"))).order_by(submissions.c.id)
    return _read(store, query)


def claim(store: Store, submission: Submission) -> int | None:
    """Hold it from now on; the number of the claim, or None when another process was faster."""
    number = submission.claim + 1
    values = {"state": "claimed", "claim": number, "attempts": submission.attempts + 1, **held_here()}
    return number if _change(store, submission.name, submission.claim, submission.state, values) else None


def take_over(store: Store, name: str, number: int) -> bool:
    """Hold, in this process, what another one has claimed for it; False when that claim has ended."""
    return _change(store, name, number, "claimed", held_here())


def renew(store: Store, name: str, number: int) -> bool:
    """A sign of life; False when the claim has ended."""
    return _change(store, name, number, "claimed", {"heartbeat": time.time()})


def settle(
    store: Store, name: str, number: int, state: State, *, problem: str | None = None, pause: float = 0.0
) -> bool:
    """End a claim; False when it had ended.

    Args:
        pause: seconds until the next attempt of one that is queued again.
    """
    values: dict[str, Any] = {"state": state, "problem": problem, "not_before": time.time() + pause, "pid": None}
    if state == "queued" and pause:  # nobody has died over it
        values["attempts"] = submissions.c.attempts - 1
    return _change(store, name, number, "claimed", values)


def take_out(store: Store, name: str) -> bool:
    """Stop one that nobody has begun; False when that is too late."""
    values = {"state": "stopped", "problem": None}
    changed = update(submissions).where(submissions.c.name == name, submissions.c.state == "queued").values(values)
    return store.database.write(lambda connection: connection.execute(changed).rowcount == 1)


def again(store: Store, name: str, *, retry_failed: bool) -> bool:
    """Have one begun anew that is not seen to; False when a living process holds it, or it waits already."""
    submission = get(store, name)
    if submission is None or submission.is_held or submission.state == "queued":
        return False
    values = {"state": "queued", "problem": None, "attempts": 0, "not_before": 0.0, "retry_failed": retry_failed}
    return _change(store, name, submission.claim, submission.state, values)


def send_again(store: Store, submission: Submission) -> bool:
    """Have one begun anew whose job has gone with its cluster; False when another process was faster."""
    values = {"state": "queued", "problem": None, "not_before": 0.0}
    return _change(store, submission.name, submission.claim, "done", values)


def remove(store: Store, name: str) -> None:
    """Forget one, so that its name is free."""
    gone = delete(submissions).where(submissions.c.name == name)
    store.database.write(lambda connection: connection.execute(gone))


def _change(store: Store, name: str, number: int, state: str, values: Mapping[str, Any]) -> bool:
    """Only under the claim of that number: who was asleep while another one took over changes nothing."""
    same: tuple[ColumnElement[bool], ...] = (
        submissions.c.name == name,
        submissions.c.claim == number,
        submissions.c.state == state,
    )
    changed = update(submissions).where(*same).values(values)
    return store.database.write(lambda connection: connection.execute(changed).rowcount == 1)


def _read(store: Store, query: Select[Any]) -> list[Submission]:
    return [_submission(row) for row in store.database.read(lambda connection: connection.execute(query).all())]


def _submission(row: Row[Any]) -> Submission:
    holder = None if row.pid is None else Holder.of_row(row)
    about = (row.name, row.spec, row.created, row.created_by, row.state, row.problem)
    return Submission(
        *about, row.attempts, row.not_before, row.retry_failed, row.claim, holder, row.heartbeat or row.created
    )
