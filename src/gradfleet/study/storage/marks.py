"""Stars and notes: what people say of trials. No trial's result hangs on them, so they take no lease."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, update

from gradfleet.study.storage.revisions import next_revision
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import trials


def star(store: Store, study: StudyRow, number: int, *, starred: bool) -> None:
    """Mark a trial, or unmark it.

    Raises:
        NotFoundError: there is no trial of that number.
    """
    _set(store, study, number, starred=starred)


def note(store: Store, study: StudyRow, number: int, text: str) -> None:
    """Write about a trial, over what was written before; an empty text takes it away.

    Raises:
        NotFoundError: there is no trial of that number.
    """
    _set(store, study, number, note=text.strip() or None)


def _set(store: Store, study: StudyRow, number: int, **values: Any) -> None:
    # Only these columns, in one statement: a driver that writes the same row meanwhile loses nothing, nor do we.
    changed = update(trials).where(trials.c.study_id == study.id, trials.c.number == number)

    def work(connection: Connection) -> int:
        revision = next_revision(connection, study.id)
        return connection.execute(changed.values(revision=revision, **values)).rowcount

    if store.database.write(work) == 0:
        store.trial(study.id, number)  # says which there are
