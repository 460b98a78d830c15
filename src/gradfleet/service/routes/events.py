"""The route of a sweep's events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from gradfleet.service import views
from gradfleet.service.access import Reader, still_admitted
from gradfleet.service.events import Feeds
from gradfleet.service.problems import RefusedError, responses
from gradfleet.service.routes.parameters import Name
from gradfleet.service.service import Current

router = APIRouter(prefix="/sweeps", tags=["sweeps"], responses=responses(401, 403, 404, 422, 429, 503))

_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["sweep", "trial", "record", "end", "problem"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string"},
    },
    "required": ["event", "data"],
}


@router.get(
    "/{name}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"itemSchema": _EVENT}}}},
)
def events(
    service: Current,
    token: Reader,
    request: Request,
    name: Name,
    *,
    last_event_id: Annotated[str | None, Header(description="Of the last event that was seen.", max_length=100)] = None,
) -> StreamingResponse:
    """What happens in a sweep, as server-sent events, until it has ended.

    `sweep` is its state, `trial` a beginning or an end, `record` an epoch; `end` is the last event, and `problem` says
    why a stream ends before that. With Last-Event-ID the stream goes on after that event.
    """
    feeds: Feeds = request.app.state.feeds
    if feeds.open >= service.settings.limits.streams:
        raise RefusedError(503, "Too many streams of events are open; try again in a while.", {"Retry-After": "10"})
    views.summary(service, name)
    stream = feeds.stream(name, last_event_id, lambda: still_admitted(service, token))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
