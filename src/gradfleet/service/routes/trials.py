"""Routes of trials."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from gradfleet.service import replaying, steering, views
from gradfleet.service.access import READ, RUN, Runner
from gradfleet.service.documents import Marks, Page, Record, Replay, TrialDetail, TrialSummary
from gradfleet.service.problems import responses
from gradfleet.service.routes.bodies import described, json_body
from gradfleet.service.routes.parameters import Limit, Most, Name, Number, Offset, one_of
from gradfleet.service.service import Current
from gradfleet.study.storage.overview import SORTABLE
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
        str,
        Query(
            description="number, value, state, epochs, started, ended or best_epoch; a minus turns it round.",
            json_schema_extra=one_of(SORTABLE),
        ),
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


@router.get("/{number}/logs", dependencies=[READ], response_class=PlainTextResponse)
def trial_logs(service: Current, name: Name, number: Number, *, most: Most = 100_000) -> PlainTextResponse:
    """What a trial has printed and logged."""
    return PlainTextResponse(steering.trial_logs(service, name, number, most=most))


@router.post("/{number}/replay", status_code=202, responses=responses(409))
def begin_replay(service: Current, token: Runner, name: Name, number: Number) -> Replay:
    """Train a trial again, in a process that outlives the service; while that runs, the same is what is asked for."""
    return views.replay_of(replaying.begin(service, name, number, by=token.name))


@router.get("/{number}/replay", dependencies=[READ])
def show_replay(service: Current, name: Name, number: Number) -> Replay:
    """How the last replay of a trial stands: the value that the study has, and the one that came."""
    return views.replay(service, name, number)


@router.patch("/{number}", dependencies=[RUN], responses=responses(400, 413, 415), openapi_extra=described(Marks))
def mark_trial(service: Current, name: Name, number: Number, marks: Annotated[Marks, json_body(Marks)]) -> TrialDetail:
    """Star a trial, or write about it."""
    steering.mark(service, name, number, marks)
    return views.trial(service, name, number)
