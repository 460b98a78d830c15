"""What has happened in a study since some moment, for those who look on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, func, or_, select

from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import records, trials

Kind = Literal["began", "record", "ended"]
Key = tuple[float, int, int, int]

_AT_ONCE = 5000
_KINDS: tuple[Kind, ...] = ("began", "record", "ended")


@dataclass(frozen=True, slots=True)
class Happening:
    """A trial began, recorded an epoch, or ended.

    Attributes:
        time: Unix seconds, by the clock of the driver.
        epoch: 0 for a beginning; the last one for an end.
        about: JSON: config, metrics, or how it ended.
    """

    time: float
    trial: int
    epoch: int
    kind: Kind
    about: dict[str, Any]

    @property
    def key(self) -> Key:
        """Where it stands among all others of its study."""
        return self.time, self.trial, self.epoch, _KINDS.index(self.kind)

    @property
    def id(self) -> str:
        """The key as text."""
        return "/".join(map(repr, self.key))


def key_of(text: str) -> Key | None:
    """The key that a `Happening.id` was made of; None for any other text.

    Example:
        >>> key_of(Happening(12.5, 3, 1, "record", {}).id), key_of("yesterday")
        ((12.5, 3, 1, 1), None)
    """
    parts = text.split("/")
    try:
        time, (trial, epoch, kind) = float(parts[0]), map(int, parts[1:])
    except ValueError:
        return None
    return (time, trial, epoch, kind) if abs(time) < 1e12 else None


def news(store: Store, study_id: int, since: float, *, limit: int = _AT_ONCE) -> list[Happening]:
    """What happened at that Unix time or later, in order; of very much only the beginning."""
    changed = select(trials).where(
        trials.c.study_id == study_id, or_(trials.c.started >= since, trials.c.ended >= since)
    )
    recorded = select(records).where(records.c.study_id == study_id, records.c.time >= since)
    recorded = recorded.order_by(records.c.time, records.c.number, records.c.epoch).limit(limit)

    def work(connection: Connection) -> list[Happening]:
        found = [
            Happening(row.time, row.number, row.epoch, "record", dict(row.metrics))
            for row in connection.execute(recorded)
        ]
        for row in connection.execute(changed):
            if row.started >= since:
                found.append(Happening(row.started, row.number, 0, "began", {"config": row.config}))
            if row.ended is not None and row.ended >= since:
                how = {"state": row.state, "value": row.value, "reason": row.reason}
                found.append(Happening(row.ended, row.number, row.epochs, "ended", how))
        return sorted(found, key=lambda one: one.key)[:limit]

    return store.database.read(work)


def all_news(store: Store, study_id: int, since: float, *, after: Key | None = None) -> Iterator[list[Happening]]:
    """All that happened at that Unix time or later, in order, in parts that are read when they are asked for.

    Args:
        after: leave out what has this key or an earlier one.
    """
    limit = _AT_ONCE
    while True:
        found = news(store, study_id, since, limit=limit)
        fresh = found if after is None else [one for one in found if one.key > after]
        if fresh:
            after = fresh[-1].key
            yield fresh
        if len(found) < limit:
            return
        if found[-1].time > since:
            since = found[-1].time
        else:  # more of one moment than are read at once
            limit *= 2


def latest(store: Store, study_id: int) -> float:
    """The Unix time of the last thing that happened; 0 before the first."""
    of_trials = select(func.max(trials.c.started), func.max(trials.c.ended)).where(trials.c.study_id == study_id)
    of_records = select(func.max(records.c.time)).where(records.c.study_id == study_id)

    def work(connection: Connection) -> float:
        found: list[float | None] = [*connection.execute(of_trials).one(), connection.execute(of_records).scalar()]
        return max([0.0, *(time for time in found if time is not None)])

    return store.database.read(work)
