"""The addresses of the pages, as data."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gradfleet.errors import NotFoundError
from gradfleet.service.pages import compare, drawings, login, sweep, sweeps, trial
from gradfleet.service.pages.visit import Visit, page


def _home(_: Request) -> Response:
    return RedirectResponse("/ui/")


def _missing(visit: Visit) -> Response:
    raise NotFoundError(f"There is no page {visit.request.url.path[:200]}.")


PAGES: tuple[BaseRoute, ...] = (
    Route("/", page(sweeps.show)),
    Route("/login", login.show),
    Route("/login", login.enter, methods=["POST"]),
    Route("/logout", page(login.leave), methods=["POST"]),
    Route("/sweeps/{name}", page(sweep.show)),
    Route("/sweeps/{name}/{verb}", page(sweep.steer, scope="run"), methods=["POST"]),
    Route("/sweeps/{name}/plots/{kind}.svg", page(drawings.of_sweep)),
    Route("/sweeps/{name}/trials/{number:int}", page(trial.show)),
    Route("/sweeps/{name}/trials/{number:int}/curves.svg", page(trial.draw)),
    Route("/compare", page(compare.show)),
    Route("/compare.svg", page(compare.draw)),
    Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    Route("/{path:path}", page(_missing)),
)

ROUTES: tuple[BaseRoute, ...] = (Route("/", _home), Mount("/ui", routes=PAGES))
