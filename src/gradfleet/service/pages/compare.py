"""Up to six sweeps side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gradfleet.errors import NoUsableTrialError, SettingError
from gradfleet.service import views
from gradfleet.service.documents import SweepDetail
from gradfleet.service.pages import drawings
from gradfleet.service.pages.sweep import seconds
from gradfleet.service.pages.visit import Visit
from gradfleet.study.plots.theme import legend, new_figure, styled, whole_numbers

MOST = 6

_COLOURS = ("accent", "warn", "good", "bad", "quiet", "ink")


@dataclass(frozen=True)
class Column:
    """One of the sweeps.

    Attributes:
        config: of its best trial; empty while it has none.
        seconds: that it took so far.
    """

    sweep: SweepDetail
    best: int | None
    config: dict[str, Any]
    seconds: float | None


def show(visit: Visit) -> Response:
    columns = [_column(visit, name) for name in names(visit)]
    values = list(dict.fromkeys(name for column in columns for name in column.config))
    metrics = {one.sweep.objective.metric for one in columns if one.best is not None and one.sweep.objective}
    return visit.render("compare.html", columns=columns, values=values, can_draw=len(metrics) == 1)


def draw(visit: Visit) -> Response:
    """The best value so far of each sweep after each of its trials.

    Raises:
        NoUsableTrialError: none has a result.
    """
    look, size = drawings.asked(visit)
    figure = new_figure(look, size=size)
    lines = {name: _best_so_far(visit, name) for name in names(visit)}
    if not any(lines.values()):
        raise NoUsableTrialError("None of these sweeps has a trial with a result to draw.")
    with styled(look):
        axes = figure.add_subplot()
        for (name, points), colour in zip(lines.items(), _COLOURS, strict=False):
            if points:
                short = name if len(name) <= 24 else f"{name[:22]}.."
                marker = "o" if points[0][0] == points[-1][0] else None  # a single trial makes no line
                axes.step(
                    *zip(*points, strict=True), where="post", color=getattr(look, colour), label=short, marker=marker
                )
        axes.set(xlabel="trial", ylabel="best so far")
        whole_numbers(axes.xaxis)
        legend(axes, columns=3 if size == drawings.SIZES["wide"] else 2)
    return drawings.svg(figure, look)


def names(visit: Visit) -> list[str]:
    """The sweeps that are asked for, each once.

    Raises:
        SettingError: none, or too many.
    """
    found = list(dict.fromkeys(visit.request.query_params.getlist("sweep")))
    if not 1 <= len(found) <= MOST:
        raise SettingError(
            f"From 1 to {MOST} sweeps are compared, got {len(found)}. Choose them in the list of sweeps."
        )
    return found


def _column(visit: Visit, name: str) -> Column:
    sweep = views.sweep(visit.service, name)
    try:
        best = views.best(visit.service, name)
    except NoUsableTrialError:
        return Column(sweep, None, {}, seconds(sweep))
    return Column(sweep, best.trial, best.config, seconds(sweep))


def _best_so_far(visit: Visit, name: str) -> list[tuple[int, float]]:
    facts = visit.service.study(name).plot_facts()
    points: list[tuple[int, float]] = []
    if not facts.ranking:
        return points
    for trial, value in facts.usable:
        if not points or facts.objective.better(value, than=points[-1][1]):
            points.append((trial.number, value))
    return [*points, (facts.trials[-1].number, points[-1][1])]
