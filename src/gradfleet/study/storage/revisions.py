"""Revisions: a number of each study that grows with every change, so that who looks on reads only what is new."""

from __future__ import annotations

from sqlalchemy import Connection, ScalarSelect, bindparam, select, update

from gradfleet.study.storage.tables import studies

# Made once: to make a statement takes longer than SQLite does to run it, and every write of a sweep runs this one.
_RAISE = update(studies).where(studies.c.id == bindparam("study")).values(revision=studies.c.revision + 1)


def next_revision(connection: Connection, study_id: int) -> ScalarSelect[int]:
    """Raise the study's revision; the new one, as a value for the rows of the trials that change now.

    Call it before any trial is written: whoever writes the same study then waits here, so that revisions become visible
    in their order, and nobody waits for two rows in turn.
    """
    connection.execute(_RAISE, {"study": study_id})
    return select(studies.c.revision).where(studies.c.id == study_id).scalar_subquery()
