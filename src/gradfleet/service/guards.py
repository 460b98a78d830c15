"""What stands before all routes: the header Host, the size of a body, and headers that tell browsers to be careful."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradfleet.service.problems import answer
from gradfleet.service.settings import MEGABYTE, Limits

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class HostCheck:
    """Refuses a request for another host: a page elsewhere whose name was pointed at us reads nothing then."""

    def __init__(self, app: ASGIApp, *, allowed: frozenset[str]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = _without_port(Headers(scope=scope).get("host", ""))
        if host in self._allowed:
            await self._app(scope, receive, send)
            return
        detail = f"This service is not called {host[:100]!r}. Start it with --allow-host NAME if that is its name."
        await answer(421, detail)(scope, receive, send)


class BodyLimit:
    """Refuses a body that is larger than it may be, before it is read where its length is said."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        said = Headers(scope=scope).get("content-length", "0")
        if not said.isascii() or not said.isdigit() or len(said) > 18:
            await answer(400, f"Content-Length is a number of bytes, got {said[:20]!r}.")(scope, receive, send)
            return
        if int(said) > limit:
            await answer(413, _too_large(limit), headers={"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit), send)

    def _limit(self, path: str) -> int:
        is_upload = path.startswith("/v1/datasets/") or path == "/ui/data"
        return self._limits.upload if is_upload else self._limits.body


def _counted(receive: Receive, limit: int) -> Receive:
    """Counts a body while it comes: one whose length was not said is cut off."""
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > limit:
            raise HTTPException(413, _too_large(limit), {"Connection": "close"})
        return message

    return counted


class SecurityHeaders:
    """Adds what tells browsers neither to guess, to frame nor to keep what they get."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    found = name if name and port.isdigit() else host
    return found.strip("[]").lower()


def _too_large(limit: int) -> str:
    return f"A body of this request has at most {limit / MEGABYTE:g} MB."
