"""Routes of sweeps: ask for one, see how it stands, steer it, delete it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from gradfleet.service import documents, specs, steering, views
from gradfleet.service.access import ADMIN, READ, RUN, Runner
from gradfleet.service.documents import Best, Leaderboard, Page, SweepDetail, SweepSummary
from gradfleet.service.problems import RefusedError, responses
from gradfleet.service.routes.bodies import JSON, media_type
from gradfleet.service.routes.parameters import Limit, Most, Name, Number, Offset, one_of
from gradfleet.service.service import Current
from gradfleet.study.storage.rows import StudyState

router = APIRouter(prefix="/sweeps", tags=["sweeps"], responses=responses(401, 403, 422, 429, 503))

FOUND = responses(404)
STEERED = responses(404, 409)

_YAML = ("application/yaml", "text/yaml", "application/x-yaml")
_SPEC = {"schema": {"$ref": "#/components/schemas/SweepSpec"}}


@router.get("", dependencies=[READ])
def list_sweeps(
    service: Current,
    *,
    state: Annotated[StudyState | None, Query(description="Only these.")] = None,
    name: Annotated[str, Query(description="Only those with this in their name.", max_length=100)] = "",
    sort: Annotated[
        str, Query(description="created, name or state; a minus turns it round.", json_schema_extra=one_of(views.SORTS))
    ] = "-created",
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[SweepSummary]:
    """The sweeps of the store, the newest first, or in another order."""
    return views.sweeps(service, state=state, name=name, sort=sort, limit=limit, offset=offset)


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
    default: Annotated[bool, Query(description="Trial 0 too, after these, where it comes later.")] = False,
) -> Leaderboard:
    """The trials of a sweep, best first."""
    return views.leaderboard(service, name, where=where, sort=sort, limit=limit, offset=offset, with_default=default)


@router.get("/{name}/best", dependencies=[READ], responses=responses(404, 409))
def best(service: Current, name: Name) -> Best:
    """The best trial so far."""
    return views.best(service, name)


@router.post(
    "",
    status_code=201,
    responses={
        200: {"model": SweepDetail, "description": "The same was asked for before."},
        **responses(400, 409, 413, 415),
    },
    openapi_extra={"requestBody": {"required": True, "content": {JSON: _SPEC, _YAML[0]: _SPEC}}},
)
async def create_sweep(service: Current, token: Runner, request: Request, response: Response) -> SweepDetail:
    """Ask for a sweep: the body is what a sweep file says, as JSON or YAML.

    `store`, `artifacts` and `cluster` are the service's own. The same name with the same spec is the same sweep.
    """
    kind = media_type(request)
    if kind != JSON and kind not in _YAML:
        raise RefusedError(415, f"A spec comes as {JSON} or {_YAML[0]}, got {kind[:100]!r}.")
    body = await request.body()

    def ask() -> tuple[SweepDetail, bool]:
        document = specs.read(body, is_yaml=kind in _YAML)
        name, new = steering.ask_for(service, document, by=token.name)
        return views.sweep(service, name), new

    found, new = await service.asking.take(ask)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/v1/sweeps/{found.name}"
    return found


@router.post("/{name}/pause", dependencies=[RUN], responses=STEERED)
async def pause(service: Current, name: Name) -> documents.Request:
    """No new trials begin; those that run go on."""
    return await service.asking.take(partial(steering.steer, service, name, "pause"))


@router.post("/{name}/resume", dependencies=[RUN], responses=STEERED)
async def resume(service: Current, name: Name) -> documents.Request:
    """New trials begin again after a pause."""
    return await service.asking.take(partial(steering.steer, service, name, "resume"))


@router.post("/{name}/stop", dependencies=[RUN], responses=STEERED)
async def stop(service: Current, name: Name) -> documents.Request:
    """No new trials begin, and the sweep ends with those that run; one that waits does not begin."""
    return await service.asking.take(partial(steering.steer, service, name, "stop"))


@router.post("/{name}/cancel", dependencies=[RUN], responses=STEERED)
async def cancel(service: Current, name: Name) -> documents.Request:
    """The sweep ends now; running trials keep what they reported."""
    return await service.asking.take(partial(steering.steer, service, name, "cancel"))


@router.get("/{name}/requests/{id}", dependencies=[READ], responses=FOUND)
def show_request(service: Current, name: Name, id: Number) -> documents.Request:
    """What became of a pause, resume, stop or cancel."""
    return steering.request(service, name, id)


@router.post("/{name}/retry", dependencies=[RUN], status_code=202, responses=STEERED)
def retry(
    service: Current,
    name: Name,
    *,
    retry_failed: Annotated[bool, Query(description="Let trials that failed run again too.")] = False,
) -> SweepDetail:
    """Begin a sweep again that has died, failed or was stopped; what is done is not done again."""
    steering.retry(service, name, retry_failed=retry_failed)
    return views.sweep(service, name)


@router.delete("/{name}", dependencies=[ADMIN], status_code=204, responses=STEERED)
def delete(service: Current, name: Name) -> None:
    """Drop a sweep that does not run, with its trials, checkpoints and log, for good."""
    steering.delete(service, name)


@router.get("/{name}/logs", dependencies=[READ], response_class=PlainTextResponse, responses=FOUND)
def logs(service: Current, name: Name, *, most: Most = 100_000) -> PlainTextResponse:
    """What the driver of a sweep has said."""
    return PlainTextResponse(steering.logs(service, name, most=most))
