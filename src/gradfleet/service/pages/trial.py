"""One trial: its curves, what it was, and why it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from starlette.responses import Response

from gradfleet.errors import NoUsableTrialError
from gradfleet.service import views
from gradfleet.service.documents import Record
from gradfleet.service.pages import drawings
from gradfleet.service.pages.visit import Visit
from gradfleet.study.plots.theme import Theme, legend, new_figure, styled, whole_numbers

_PANELS = {"wide": 3, "narrow": 1}
_PARTS = ("train_", "val_")


def show(visit: Visit) -> Response:
    found = views.trial(visit.service, visit.name, visit.number)
    records = views.records(visit.service, visit.name, visit.number)
    names = list(dict.fromkeys(name for record in records for name in record.metrics))
    return visit.render("trial.html", name=visit.name, trial=found, records=records, names=names)


def draw(visit: Visit) -> Response:
    """Its metrics over its epochs: the objective's first, training and validation together.

    Raises:
        NoUsableTrialError: it has recorded nothing yet.
    """
    look, size = drawings.asked(visit)
    found = panels(views.records(visit.service, visit.name, visit.number), first=_objective(visit))
    if not found:
        raise NoUsableTrialError(f"Trial {visit.number} of {visit.name!r} has recorded nothing to draw yet.")
    most = _PANELS[visit.request.query_params.get("width", "wide")]
    return _drawn(dict(list(found.items())[:most]), look, size)


Line = list[tuple[int, float]]


def panels(records: Sequence[Record], *, first: str) -> dict[str, dict[str, Line]]:
    """For each metric without its part's name the lines of its parts, points of epoch and value."""
    found: dict[str, dict[str, Line]] = {_bare(first): {}}
    for record in records:
        for name, value in record.metrics.items():
            if value is not None and math.isfinite(value):
                found.setdefault(_bare(name), {}).setdefault(name, []).append((record.epoch, value))
    return {name: lines for name, lines in found.items() if lines}


def _bare(name: str) -> str:
    return next((name.removeprefix(part) for part in _PARTS if name.startswith(part)), name)


def _objective(visit: Visit) -> str:
    metric: str = visit.service.store.study(visit.name).objective.metric
    return metric


def _drawn(shown: Mapping[str, Mapping[str, Line]], look: Theme, size: tuple[float, float]) -> Response:
    figure = new_figure(look, size=size)
    with styled(look):
        for place, (title, lines) in enumerate(shown.items(), start=1):
            axes = figure.add_subplot(1, len(shown), place)
            for name, points in lines.items():
                colour = look.quiet if name.startswith("train_") else look.accent
                axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.8, marker="o", markersize=3, label=name)
            axes.set(xlabel="epoch", ylabel=title)
            whole_numbers(axes.xaxis)
            legend(axes, columns=1)
    return drawings.svg(figure, look)
