"""What is asked of a whole store, or of a long study, without reading all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from gradfleet.errors import SettingError, unknown_name
from gradfleet.study.storage.rows import TrialRow, TrialState
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import trials

SORTABLE = ("number", "value", "state", "epochs", "started", "ended", "best_epoch")


@dataclass(frozen=True, slots=True)
class Tally:
    """How the trials of one study stand.

    Attributes:
        states: how many there are of each state.
        highest, lowest: of the values of those that may be best, complete and pruned ones; None while there is none.
        started, ended: Unix time of the first start and the last end.
    """

    states: Mapping[TrialState, int]
    highest: float | None
    lowest: float | None
    started: float | None
    ended: float | None

    @property
    def total(self) -> int:
        return sum(self.states.values())


EMPTY = Tally({}, None, None, None, None)


def tallies(store: Store, study_ids: Sequence[int]) -> dict[int, Tally]:
    """How some studies of a store stand, by their ids; one that has no trial yet is not there."""
    if not study_ids:
        return {}
    parts = (
        trials.c.study_id,
        trials.c.state,
        func.count().label("number"),
        func.max(trials.c.value).label("highest"),
        func.min(trials.c.value).label("lowest"),
        func.min(trials.c.started).label("started"),
        func.max(trials.c.ended).label("ended"),
    )
    query = select(*parts).where(trials.c.study_id.in_(study_ids)).group_by(trials.c.study_id, trials.c.state)
    found: dict[int, list[Any]] = {}
    for row in store.database.read(lambda connection: connection.execute(query).all()):
        found.setdefault(row.study_id, []).append(row)
    return {study: _tally(rows) for study, rows in found.items()}


def trial_states(store: Store) -> dict[TrialState, int]:
    """How many trials of each state there are in the whole store."""
    query = select(trials.c.state, func.count().label("number")).group_by(trials.c.state)
    rows = store.database.read(lambda connection: connection.execute(query).all())
    return {row.state: row.number for row in rows}


def trials_page(
    store: Store,
    study_id: int,
    *,
    states: Sequence[TrialState] = (),
    starred: bool | None = None,
    sort: str = "number",
    limit: int = 50,
    offset: int = 0,
) -> tuple[int, list[TrialRow]]:
    """How many trials of a study there are like this, and one page of them; what has no value comes last.

    Args:
        sort: one of `SORTABLE`; with a minus the largest first.

    Raises:
        SettingError: nothing can be sorted by that.
    """
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if name not in SORTABLE:
        raise SettingError(unknown_name("column of trials to sort by", name, SORTABLE))
    conditions: list[ColumnElement[bool]] = [trials.c.study_id == study_id]
    if states:
        conditions.append(trials.c.state.in_(states))
    if starred is not None:
        conditions.append(trials.c.starred.is_(starred))
    column = trials.c[name]
    order = (column.is_(None), column.desc() if descending else column, trials.c.number)
    count = select(func.count()).select_from(trials).where(*conditions)
    page = select(trials).where(*conditions).order_by(*order).limit(limit).offset(offset)

    def work(connection: Connection) -> tuple[int, list[TrialRow]]:
        total: int = connection.execute(count).scalar_one()
        return total, store.rows_of(connection, study_id, TrialRow, page)

    return store.database.read(work)


def _tally(rows: Sequence[Any]) -> Tally:
    usable = [row for row in rows if row.state in ("COMPLETE", "PRUNED")]
    return Tally(
        {row.state: row.number for row in rows},
        max((row.highest for row in usable if row.highest is not None), default=None),
        min((row.lowest for row in usable if row.lowest is not None), default=None),
        min(row.started for row in rows),
        max((row.ended for row in rows if row.ended is not None), default=None),
    )
