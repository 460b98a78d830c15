"""Routes of trials."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gradfleet.service import steering, views
from gradfleet.service.access import READ, RUN
from gradfleet.service.documents import Marks, Page, Record, TrialDetail, TrialSummary
from gradfleet.service.problems import responses
from gradfleet.service.routes.parameters import Limit, Name, Number, Offset
from gradfleet.service.service import Current
from gradfleet.study.storage.rows import TrialState

router = APIRouter(prefix="/sweeps/{name}/trials", tags=["trials"], responses=responses(401, 403, 404, 422, 429, 503))


@router.get("", dependencies=[READ])
def list_trials(
    service: Current,
    name: Name,
    *,
    state: Annotated[list[TrialState], Query(description="Only these.")] = [],  # noqa: B006  # FastAPI copies it
    starred: Annotated[bool | None, Query(description="Only those with a star, or without.")] = None,
    sort: Annotated[
        str, Query(description="number, value, state, epochs, started, ended or best_epoch; a minus turns it round.")
    ] = "number",
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[TrialSummary]:
    """The trials of a sweep by number, or in another order."""
    return views.trials(service, name, states=state, starred=starred, sort=sort, limit=limit, offset=offset)


@router.get("/{number}", dependencies=[READ])
def show_trial(service: Current, name: Name, number: Number) -> TrialDetail:
    """One trial, with all numbers of its best record."""
    return views.trial(service, name, number)


@router.get("/{number}/records", dependencies=[READ])
def records(service: Current, name: Name, number: Number) -> list[Record]:
    """Every epoch of one trial."""
    return views.records(service, name, number)


@router.patch("/{number}", dependencies=[RUN])
def mark_trial(service: Current, name: Name, number: Number, marks: Marks) -> TrialDetail:
    """Star a trial, or write about it."""
    steering.mark(service, name, number, marks)
    return views.trial(service, name, number)
