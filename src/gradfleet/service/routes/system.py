"""Routes about the service itself: whether it is well, what it offers, and who is asking."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

import gradfleet
from gradfleet.service import observation, readiness, views
from gradfleet.service.access import ADMIN, READ, Reader
from gradfleet.service.documents import Action, Health, Page, Readiness, Task, Whoami
from gradfleet.service.problems import responses
from gradfleet.service.routes.parameters import Limit, Offset
from gradfleet.service.service import Current

router = APIRouter(tags=["service"])


@router.get("/health")
async def health() -> Health:  # so that it waits for no thread
    """That the process answers; nothing else is looked at, and no token is needed."""
    return Health(status="ok", version=gradfleet.__version__)


@router.get("/ready", responses={503: {"model": Readiness}})
def ready(service: Current, request: Request, response: Response) -> Readiness:
    """Whether the store answers, and how the cluster was within the last seconds; no token is needed."""
    found = readiness.look(service, cluster=request.app.state.cluster.now())
    response.status_code = 200 if found.ready else 503
    return found


@router.get("/whoami", responses=responses(401, 403, 429))
def whoami(token: Reader) -> Whoami:
    """The token that this request came with."""
    return Whoami(name=token.name, scope=token.scope, expires=token.expires)


@router.get(
    "/metrics",
    dependencies=[READ],
    response_class=PlainTextResponse,
    responses={**responses(401, 403, 429), 200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}}},
)
def metrics(service: Current, request: Request) -> Response:
    """Requests, sweeps, trials and streams, for Prometheus."""
    state = request.app.state
    return Response(state.metrics.exposition(service, streams=state.feeds.open), media_type=CONTENT_TYPE_LATEST)


@router.get("/audit", dependencies=[ADMIN], responses=responses(401, 403, 422, 429))
def audit(service: Current, *, limit: Limit = 50, offset: Offset = 0) -> Page[Action]:
    """Who changed something, or was refused, the newest first."""
    return observation.actions(service, limit=limit, offset=offset)


@router.get("/tasks", dependencies=[READ], responses=responses(401, 403, 429))
def tasks() -> list[Task]:
    """The kinds of problem that a sweep may name as `task`."""
    return views.tasks()
