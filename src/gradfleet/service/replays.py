"""Replays: trials that are trained again because somebody asked, the last one of each trial, and who sees to it.

As with submissions one process at a time holds a replay, under a claim whose number grows, so that the late words of
one that was taken for dead count for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, insert, select, update

from gradfleet.errors import NotFoundError
from gradfleet.service.problems import RefusedError
from gradfleet.study.storage.database import one_at_a_time
from gradfleet.study.storage.holder import Holder, held_here
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import replays

State = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class TrialReplay:
    """A trial that is trained again, or was.

    Attributes:
        created, ended: Unix time; by whose token it was asked for.
        recorded: the value that the study has.
        value: the one that came; None before the end, and where none came.
        epoch: of the record that has it.
        records: what came so far: `epoch`, and `metrics` as JSON values.
        problem: why none came.
        claim: the number under which a process holds it.
    """

    study_id: int
    number: int
    state: State
    created: float
    created_by: str
    ended: float | None
    recorded: float
    value: float | None
    epoch: int | None
    records: Sequence[Mapping[str, Any]]
    problem: str | None
    claim: int


def claim(store: Store, study_id: int, number: int, *, recorded: float, by: str, room: int) -> int | None:
    """Hold the replay of a trial from now on; the number of the claim, or None while one runs.

    Args:
        by: the name of the token that it is asked with.
        room: how many may run side by side on this machine.

    Raises:
        RefusedError: as many run.
    """
    mine = (replays.c.study_id == study_id, replays.c.number == number)
    values = {"state": "running", "created": time.time(), "created_by": by, "ended": None, "recorded": recorded}
    values |= {"value": None, "epoch": None, "records": [], "problem": None, **held_here()}

    def work(connection: Connection) -> int | None:
        one_at_a_time(connection)  # else two could both find it free
        running = connection.execute(select(replays).where(replays.c.state == "running")).all()
        alive = [row for row in running if _is_alive(row)]
        if any((row.study_id, row.number) == (study_id, number) for row in alive):
            return None
        if sum(Holder.of_row(row).is_here() for row in alive) >= room:
            raise RefusedError(
                503, f"{room} trials are trained again at the moment, as many as may; ask again later.", _LATER
            )
        before = connection.execute(select(replays.c.claim).where(*mine)).scalar() or 0
        connection.execute(delete(replays).where(*mine))
        connection.execute(insert(replays).values(study_id=study_id, number=number, claim=before + 1, **values))
        return before + 1

    return store.database.write(work)


def get(store: Store, study_id: int, number: int) -> TrialReplay:
    """The last replay of a trial.

    Raises:
        NotFoundError: nobody has asked for one.
    """
    query = select(replays).where(replays.c.study_id == study_id, replays.c.number == number)
    row = store.database.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotFoundError(f"Nobody has had trial {number} trained again; POST to this address does.")
    return _replay(row)


def running(store: Store, study_id: int) -> list[int]:
    """The trials of a study that are trained again now."""
    query = select(replays).where(replays.c.study_id == study_id, replays.c.state == "running")
    found = store.database.read(lambda connection: connection.execute(query).all())
    return [row.number for row in found if _is_alive(row)]


def take_over(store: Store, study_id: int, number: int, claim: int) -> bool:
    """Hold, in this process, what another one has claimed for it; False when that claim has ended."""
    return _change(store, study_id, number, claim, held_here())


def renew(store: Store, study_id: int, number: int, claim: int) -> bool:
    """A sign of life; False when the claim has ended."""
    return _change(store, study_id, number, claim, {"heartbeat": time.time()})


def tell(store: Store, study_id: int, number: int, claim: int, records: Sequence[Mapping[str, Any]]) -> bool:
    """Write what came so far; False when the claim has ended."""
    return _change(store, study_id, number, claim, {"records": records})


def settle(
    store: Store,
    study_id: int,
    number: int,
    claim: int,
    *,
    value: float | None = None,
    epoch: int | None = None,
    problem: str | None = None,
) -> bool:
    """Write how it ended: with a value and its epoch, or with a problem; False when the claim had ended."""
    state = "failed" if problem is not None else "done"
    values = {"state": state, "value": value, "epoch": epoch, "problem": problem, "ended": time.time()}
    return _change(store, study_id, number, claim, values)


_LATER = {"Retry-After": "60"}


def _change(store: Store, study_id: int, number: int, claim: int, values: dict[str, Any]) -> bool:
    same = (
        replays.c.study_id == study_id,
        replays.c.number == number,
        replays.c.claim == claim,
        replays.c.state == "running",
    )
    changed = update(replays).where(*same).values(values)
    return store.database.write(lambda connection: connection.execute(changed).rowcount == 1)


def _is_alive(row: Row[Any]) -> bool:
    return Holder.of_row(row).is_alive(row.heartbeat)


def _replay(row: Row[Any]) -> TrialReplay:
    died = row.state == "running" and not _is_alive(row)
    state: State = "failed" if died else row.state
    problem = "Its process has died; ask again." if died else row.problem
    about = (row.study_id, row.number, state, row.created, row.created_by)
    return TrialReplay(*about, row.ended, row.recorded, row.value, row.epoch, row.records or [], problem, row.claim)
