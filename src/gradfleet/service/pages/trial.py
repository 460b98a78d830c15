"""One trial: its curves, what it was, and why it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from gradfleet.errors import NotFoundError, NoUsableTrialError
from gradfleet.export.formats import FORMATS
from gradfleet.service import documents, models, replaying, steering, views
from gradfleet.service.documents import Record
from gradfleet.service.pages import drawings, predict
from gradfleet.service.pages.predict import Trying
from gradfleet.service.pages.visit import Visit, to
from gradfleet.service.routes.models import as_file
from gradfleet.study.plots.theme import Theme, legend, new_figure, styled, whole_numbers

_PANELS = 3
_LOWER = 0.75  # of the first panel's height: each that stands below it
_MOST_LOG = 20_000  # characters
_PARTS = ("train_", "val_")


def show(visit: Visit) -> Response:
    facts = _facts(visit)
    return _rendered(visit, facts, predict.of(_try(visit), facts))


def ask(visit: Visit) -> Response:
    """What its model says of what was posted."""
    facts = _facts(visit)
    trying, status = predict.asked(visit, _try(visit), facts, predict.of_trial(visit))
    return _rendered(visit, facts, trying, status=status)


def mark(visit: Visit) -> Response:
    """Star it, take the star away, or write about it."""
    starred, note = visit.form.get("starred"), visit.form.get("note")
    marks = visit.read(documents.Marks, starred=None if starred is None else starred == "true", note=note)
    steering.mark(visit.service, visit.name, visit.number, marks)
    return to(_address(visit))


def replay(visit: Visit) -> Response:
    """Have it trained again; the page says how that stands."""
    replaying.begin(visit.service, visit.name, visit.number, by=visit.token.name)
    return to(_address(visit))


def promote(visit: Visit) -> Response:
    """Give its model a name."""
    wanted = visit.read(documents.Promotion, name=visit.form.get("name", ""), sweep=visit.name, trial=visit.number)
    made = models.promote(visit.service, wanted, by=visit.token.name)
    return to(f"/ui/models/{made.name}")


def export(visit: Visit) -> Response:
    """Its model in a format, as a zip file."""
    format = visit.form.get("format", "bundle")
    making = models.export_file(visit.service, visit.name, visit.number, format=format)
    return as_file(making, f"{visit.name}-{visit.number}-{format}.zip")


def _rendered(visit: Visit, facts: Mapping[str, Any] | None, trying: Trying, *, status: int = 200) -> Response:
    found = views.trial(visit.service, visit.name, visit.number)
    records = views.records(visit.service, visit.name, visit.number)
    names = list(dict.fromkeys(name for record in records for name in record.metrics))
    return visit.render(
        "trial.html",
        name=visit.name,
        trial=found,
        records=records,
        names=names,
        trying=trying if found.checkpoint else None,
        tells_classes=(facts or {}).get("kind") in ("binary", "multiclass"),
        formats=FORMATS,
        replay=_replay(visit),
        said=steering.trial_logs(visit.service, visit.name, visit.number, most=_MOST_LOG),
        status=status,
    )


def _replay(visit: Visit) -> documents.Replay | None:
    try:
        return views.replay(visit.service, visit.name, visit.number)
    except NotFoundError:
        return None


def _address(visit: Visit) -> str:
    return f"/ui/sweeps/{visit.name}/trials/{visit.number}"


def _try(visit: Visit) -> str:
    return f"{_address(visit)}/predict"


def _facts(visit: Visit) -> Mapping[str, Any] | None:
    facts: Mapping[str, Any] | None = visit.service.row(visit.name).spec.get("facts")
    return facts


def draw(visit: Visit) -> Response:
    """Its metrics over its epochs: the objective's first, training and validation together.

    Raises:
        NoUsableTrialError: it has recorded nothing yet.
    """
    look, size = drawings.asked(visit)
    found = panels(views.records(visit.service, visit.name, visit.number), first=_objective(visit))
    if not found:
        raise NoUsableTrialError(f"Trial {visit.number} of {visit.name!r} has recorded nothing to draw yet.")
    return _drawn(dict(list(found.items())[:_PANELS]), look, size)


Line = list[tuple[int, float]]


def panels(records: Sequence[Record], *, first: str) -> dict[str, dict[str, Line]]:
    """For each metric without its part's name the lines of its parts, points of epoch and value.

    What is of no part, such as a latency, is no curve, unless it is the objective.
    """
    found: dict[str, dict[str, Line]] = {_bare(first): {}}
    for record in records:
        for name, value in record.metrics.items():
            is_curve = name == first or (name.startswith(_PARTS) and name != "train_seconds")
            if is_curve and value is not None and math.isfinite(value):
                found.setdefault(_bare(name), {}).setdefault(name, []).append((record.epoch, value))
    return {name: lines for name, lines in found.items() if lines}


def _bare(name: str) -> str:
    return next((name.removeprefix(part) for part in _PARTS if name.startswith(part)), name)


def _objective(visit: Visit) -> str:
    metric: str = visit.service.row(visit.name).objective.metric
    return metric


def _drawn(shown: Mapping[str, Mapping[str, Line]], look: Theme, size: tuple[float, float]) -> Response:
    """Side by side, or in a narrow window below each other."""
    rows, columns = (len(shown), 1) if size == drawings.SIZES["narrow"] else (1, len(shown))
    figure = new_figure(look, size=(size[0], size[1] * (1 + _LOWER * (rows - 1))))
    with styled(look):
        for place, (title, lines) in enumerate(shown.items(), start=1):
            axes = figure.add_subplot(rows, columns, place)
            for name, points in lines.items():
                colour = look.quiet if name.startswith("train_") else look.accent
                axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.8, marker="o", markersize=3, label=name)
            axes.set(xlabel="epoch", ylabel=title)
            whole_numbers(axes.xaxis)
            legend(axes, columns=1)
    return drawings.svg(figure, look)
