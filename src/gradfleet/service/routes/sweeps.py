"""Routes of sweeps: what there is, and how it stands."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gradfleet.service import views
from gradfleet.service.access import READ
from gradfleet.service.documents import Best, Leaderboard, Page, SweepDetail, SweepSummary
from gradfleet.service.problems import responses
from gradfleet.service.routes.parameters import Limit, Name, Offset
from gradfleet.service.service import Current
from gradfleet.study.storage.rows import StudyState

router = APIRouter(prefix="/sweeps", tags=["sweeps"], responses=responses(401, 403, 422, 429, 503))

FOUND = responses(404)


@router.get("", dependencies=[READ])
def list_sweeps(
    service: Current,
    *,
    state: Annotated[StudyState | None, Query(description="Only these.")] = None,
    name: Annotated[str, Query(description="Only those with this in their name.", max_length=100)] = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[SweepSummary]:
    """The sweeps of the store, the newest first."""
    return views.sweeps(service, state=state, name=name, limit=limit, offset=offset)


@router.get("/{name}", dependencies=[READ], responses=FOUND)
def show_sweep(service: Current, name: Name) -> SweepDetail:
    """One sweep."""
    return views.sweep(service, name)


@router.get("/{name}/leaderboard", dependencies=[READ], responses=FOUND)
def leaderboard(
    service: Current,
    name: Name,
    *,
    where: Annotated[
        list[str], Query(description="Conditions that all must hold, such as `value >= 0.9` or `starred`.")
    ] = [],  # noqa: B006  # FastAPI copies it
    sort: Annotated[list[str], Query(description="Columns to order by; with a minus the largest first.")] = [],  # noqa: B006
    limit: Limit = 50,
    offset: Offset = 0,
) -> Leaderboard:
    """The trials of a sweep, best first."""
    return views.leaderboard(service, name, where=where, sort=sort, limit=limit, offset=offset)


@router.get("/{name}/best", dependencies=[READ], responses=responses(404, 409))
def best(service: Current, name: Name) -> Best:
    """The best trial so far."""
    return views.best(service, name)
