"""The addresses of the pages, as data."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gradfleet.errors import NotFoundError
from gradfleet.service.pages import compare, data, drawings, held_out, login, models, new_sweep, sweep, sweeps, trial
from gradfleet.service.pages.confirm import before
from gradfleet.service.pages.visit import Visit, page


def _home(_: Request) -> Response:
    return RedirectResponse("/ui/")


def _missing(visit: Visit) -> Response:
    raise NotFoundError(f"There is no page {visit.request.url.path[:200]}.")


def _sweep(visit: Visit) -> str:
    return f"/ui/sweeps/{visit.name}"


def _name_of_data(visit: Visit) -> str:
    return f"Delete the data set {visit.request.path_params['file']}? Sweeps that began with it keep what they have."


PAGES: tuple[BaseRoute, ...] = (
    Route("/", page(sweeps.show, scope="read")),
    Route("/login", login.show),
    Route("/login", login.enter, methods=["POST"]),
    Route("/logout", page(login.leave, scope="read"), methods=["POST"]),
    Route("/new", page(new_sweep.show, scope="run")),
    Route("/new", page(new_sweep.ask, scope="run"), methods=["POST"]),
    Route("/new/look", page(new_sweep.look, scope="run"), methods=["POST"]),
    Route("/data", page(data.show, scope="read")),
    Route("/data", page(data.upload, scope="run"), methods=["POST"]),
    Route("/data/{file}/delete", page(before(_name_of_data, back=lambda _: "/ui/data"), scope="admin")),
    Route("/data/{file}/delete", page(data.delete, scope="admin"), methods=["POST"]),
    Route("/models", page(models.show_all, scope="read")),
    Route("/models/{model}", page(models.show, scope="read")),
    Route("/models/{model}/predict", page(models.ask, scope="read", predicts=True), methods=["POST"]),
    Route("/models/{model}/download", page(models.download, scope="read")),
    Route("/models/{model}/delete", page(before(models.question, back=models.address), scope="admin")),
    Route("/models/{model}/delete", page(models.forget, scope="admin"), methods=["POST"]),
    Route("/sweeps/{name}", page(sweep.show, scope="read")),
    Route("/sweeps/{name}/logs", page(sweep.logs, scope="read")),
    Route("/sweeps/{name}/dashboard", page(sweep.dashboard, scope="read")),
    Route("/sweeps/{name}/cancel", page(before(sweep.question_of_cancel, back=_sweep), scope="run")),
    Route("/sweeps/{name}/delete", page(before(sweep.question_of_delete, back=_sweep), scope="admin")),
    Route("/sweeps/{name}/delete", page(sweep.delete, scope="admin"), methods=["POST"]),
    Route("/sweeps/{name}/{verb}", page(sweep.steer, scope="run"), methods=["POST"]),
    Route("/sweeps/{name}/plots/{kind}.svg", page(drawings.of_sweep, scope="read")),
    Route("/sweeps/{name}/trials/{number}", page(trial.show, scope="read")),
    Route("/sweeps/{name}/trials/{number}/curves.svg", page(trial.draw, scope="read")),
    Route("/sweeps/{name}/trials/{number}/validation", page(held_out.show, scope="read")),
    Route("/sweeps/{name}/trials/{number}/marks", page(trial.mark, scope="run"), methods=["POST"]),
    Route("/sweeps/{name}/trials/{number}/replay", page(trial.replay, scope="run"), methods=["POST"]),
    Route("/sweeps/{name}/trials/{number}/predict", page(trial.ask, scope="read", predicts=True), methods=["POST"]),
    Route("/sweeps/{name}/trials/{number}/promote", page(trial.promote, scope="run"), methods=["POST"]),
    Route("/sweeps/{name}/trials/{number}/export", page(trial.export, scope="run"), methods=["POST"]),
    Route("/compare", page(compare.show, scope="read")),
    Route("/compare.svg", page(compare.draw, scope="read")),
    Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    Route("/{path:path}", page(_missing, scope="read")),
)

ROUTES: tuple[BaseRoute, ...] = (Route("/", _home), Mount("/ui", routes=PAGES))
