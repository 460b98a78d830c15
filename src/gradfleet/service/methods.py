"""The methods that an address answers, for the header Allow of a 405 (RFC 9110, section 15.5.6)."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

_KNOWN = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


def allowed(request: Request) -> list[str]:
    """Those that any route has at the address of a request: Starlette tells those of the first route only."""
    root = request.scope.get("app_root_path", request.scope.get("root_path", ""))  # a Mount has changed the root
    scope = {**request.scope, "root_path": root}
    return [one for one in _KNOWN if _answers(request.app.routes, {**scope, "method": one})]


def _answers(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    for route in routes:
        match, inner = route.matches(scope)
        if match is Match.FULL:
            return not isinstance(route, Mount) or _answers(route.routes, {**scope, **inner})
    return False
