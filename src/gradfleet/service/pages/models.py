"""Models that have a name: the list, and one of them to look at, to take along and to try."""

from __future__ import annotations

from starlette.responses import Response

from gradfleet.service import models
from gradfleet.service.pages import predict
from gradfleet.service.pages.predict import Trying
from gradfleet.service.pages.visit import Visit, to
from gradfleet.service.routes.models import as_file


def show_all(visit: Visit) -> Response:
    return visit.render("models.html", models=models.listed(visit.service))


def show(visit: Visit) -> Response:
    name = model_name(visit)
    return _rendered(visit, predict.of(_try(name), models.facts(visit.service, name)))


def ask(visit: Visit) -> Response:
    """What it says of what was posted."""
    name = model_name(visit)
    facts = models.facts(visit.service, name)
    trying, status = predict.asked(visit, _try(name), facts, predict.of_model(visit, name))
    return _rendered(visit, trying, status=status)


def download(visit: Visit) -> Response:
    """Its bundle as a zip file."""
    name = model_name(visit)
    models.get(visit.service, name)
    return as_file(models.bundle_file(visit.service, name), f"{name}.zip")


def forget(visit: Visit) -> Response:
    models.forget(visit.service, model_name(visit))
    return to("/ui/models")


def model_name(visit: Visit) -> str:
    """Of the model in the address."""
    name: str = visit.request.path_params["model"]
    return name


def address(visit: Visit) -> str:
    return f"/ui/models/{model_name(visit)}"


def question(visit: Visit) -> str:
    """What is asked before it is deleted."""
    return f"Delete the model {models.get(visit.service, model_name(visit)).name} with its bundle, for good?"


def _try(name: str) -> str:
    return f"/ui/models/{name}/predict"


def _rendered(visit: Visit, trying: Trying, *, status: int = 200) -> Response:
    found = models.get(visit.service, model_name(visit))
    return visit.render("model.html", model=found, trying=trying, status=status)
