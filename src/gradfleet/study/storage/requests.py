"""Requests to whoever drives a study: rows that anybody adds and the holder of the lease answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from gradfleet.errors import SettingError, unknown_name
from gradfleet.study.storage.rows import RequestRow, StudyRow
from gradfleet.study.storage.tables import requests

if TYPE_CHECKING:
    from gradfleet.study.storage.lease import Lease
    from gradfleet.study.storage.store import Store

VERBS = ("cancel", "pause", "resume", "stop")


def add(store: Store, study: StudyRow, verb: str, arguments: Mapping[str, Any] | None = None) -> int:
    """Ask the driver for something; the request's id.

    Raises:
        SettingError: no request is called that.
    """
    if verb not in VERBS:
        raise SettingError(unknown_name("request", verb, VERBS))
    values = {"study_id": study.id, "verb": verb, "arguments": dict(arguments or {}), "created": time.time()}

    def work(connection: Connection) -> int:
        key = connection.execute(insert(requests).values(values)).inserted_primary_key
        assert key is not None, "one row was inserted"
        return int(key[0])

    return store.database.write(work)


def pending(store: Store, study: StudyRow) -> list[RequestRow]:
    """What has not been answered, oldest first."""
    open_ones = select(requests).where(requests.c.study_id == study.id, requests.c.answered.is_(None))
    found = store.database.read(lambda connection: connection.execute(open_ones.order_by(requests.c.id)).all())
    return [_row(row) for row in found]


def get(store: Store, request_id: int, *, study: StudyRow | None = None) -> RequestRow | None:
    """One request, to see whether it was answered; None when its study is gone.

    Args:
        study: only one that was asked of this study.
    """
    query = select(requests).where(requests.c.id == request_id)
    if study is not None:
        query = query.where(requests.c.study_id == study.id)
    row = store.database.read(lambda connection: connection.execute(query).first())
    return None if row is None else _row(row)


def answer(store: Store, lease: Lease, request_id: int, outcome: str) -> None:
    """Say what became of a request; the first answer stays."""
    open_one = (requests.c.id == request_id, requests.c.study_id == lease.study.id, requests.c.answered.is_(None))
    answered = update(requests).where(*open_one).values(answered=time.time(), outcome=outcome)
    store.fenced(lease, lambda connection: connection.execute(answered))


def _row(row: Any) -> RequestRow:
    return RequestRow(row.id, row.verb, row.arguments, row.created, row.answered, row.outcome)
