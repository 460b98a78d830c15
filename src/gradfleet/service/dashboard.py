"""optuna-dashboard over the studies of the store, behind our login and to look at only."""

from __future__ import annotations

import threading
from typing import Any, cast
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gradfleet.errors import NotFoundError
from gradfleet.service import problems
from gradfleet.service.pages import session
from gradfleet.service.problems import RefusedError
from gradfleet.service.service import Service

PLACES = ("/dashboard", "/api", "/csv", "/static")
"""Its own addresses, which it has no prefix for. Files that belong to trials (`/artifacts`) are not given out."""

ICON = "/favicon.ico"
"""Its pages ask for it there."""


def routes() -> list[BaseRoute]:
    """Where it is mounted; it is imported when it is asked for first."""
    dashboard = Dashboard()
    return [*(Mount(place, dashboard) for place in PLACES), Route(ICON, dashboard)]


def address(service: Service, name: str) -> str:
    """The page of a study, as its space is now.

    Raises:
        NotFoundError: there is no such study, or Optuna has not been told of it yet.
    """
    newest = service.store.generations(service.row(name).id)[-1]
    try:
        number = _storage(service).get_study_id_from_name(newest.optuna_name)
    except KeyError as error:
        raise NotFoundError(
            f"{name} has nothing in optuna-dashboard before its first trial. Come back then."
        ) from error
    return f"/dashboard/studies/{number}"


class Dashboard:
    """Passes GET and HEAD of whoever has logged in; its buttons that would change a study get an error."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._making = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)
        answer = await run_in_threadpool(self._refusal, request)
        if answer is not None:
            await answer(scope, receive, send)
            return
        app = await run_in_threadpool(self._made, request.app.state.service)
        await app({**scope, "root_path": ""}, receive, send)  # it routes by the whole path

    def _refusal(self, request: Request) -> Response | None:
        try:
            request.state.token = session.token_of(request.app.state.service, request)
        except RefusedError as error:
            if error.status == 401 and request.url.path.startswith(PLACES[0]):
                return RedirectResponse(f"/ui/login?{urlencode({'next': request.url.path})}", status_code=303)
            return problems.of_error(error)
        if request.method not in ("GET", "HEAD"):
            said = "optuna-dashboard is there to look at: sweeps are steered, and trials marked, on the pages of /ui."
            return problems.answer(405, said, headers={"Allow": "GET, HEAD"})
        return None

    def _made(self, service: Service) -> ASGIApp:
        with self._making:
            if self._app is None:
                # These import Optuna and scikit-learn, which takes a second.
                from a2wsgi import WSGIMiddleware
                from optuna_dashboard import wsgi

                self._app = cast("ASGIApp", WSGIMiddleware(wsgi(_storage(service))))
            return self._app


def _storage(service: Service) -> Any:
    from gradfleet.study.mirror.mirror import open_storage  # imports Optuna

    return open_storage(service.store.database)
