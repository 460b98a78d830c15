"""The plots by name: drawn with matplotlib, or interactive with Optuna's own over plotly."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.errors import SettingError, unknown_name
from gradfleet.study.plots import dimensions, results
from gradfleet.study.plots.facts import PlotFacts
from gradfleet.study.plots.theme import new_figure, styled, theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS: Mapping[str, Callable[..., None]] = {
    "history": results.history,
    "curves": results.curves,
    "importance": dimensions.importance,
    "parallel": dimensions.parallel,
    "slice": dimensions.slices,
    "contour": dimensions.contour,
    "pareto": results.pareto,
    "timeline": results.timeline,
}

FORMATS = ("html", "pdf", "png", "svg")

SIZE = (8.6, 4.4)
"""Inches."""


def draw(
    kind: str,
    facts: PlotFacts,
    *,
    metrics: Sequence[str] = (),
    of: Sequence[str] = (),
    look: str = "light",
    size: tuple[float, float] = SIZE,
) -> Figure:
    """One plot as a figure; see `Study.plot`.

    Raises:
        SettingError: no plot is called so, or it does not take what was given.
        NoUsableTrialError: there is no result to draw.
    """
    colours, chosen = theme(look), arguments(kind, metrics=metrics, dimensions=of)
    figure = new_figure(colours, size=size)
    with styled(colours):
        KINDS[kind](figure, facts, colours, **chosen)
    return figure


def settled(figure: Figure, *, look: str) -> Figure:
    """The figure with everything laid out: matplotlib makes ticks late, and then no longer in our colours."""
    with styled(theme(look)):
        figure.draw_without_rendering()
    return figure


def arguments(kind: str, **given: Sequence[str]) -> dict[str, Sequence[str]]:
    """What of `given` was said, found to be something that the plot takes.

    Raises:
        SettingError: no plot is called so, or it does not take something.
    """
    if kind not in KINDS:
        raise SettingError(unknown_name("plot", kind, KINDS))
    taken = inspect.signature(KINDS[kind]).parameters
    said = {name: values for name, values in given.items() if values}
    if wrong := [f"The plot {kind!r} takes no {name}." for name in said if name not in taken]:
        raise SettingError(wrong)
    return said


def save(kind: str, facts: PlotFacts, to: str | os.PathLike[str], **options: Any) -> Any:
    """Write a plot in the format that the file's name ends with, and return it.

    Raises:
        SettingError: no such format.
    """
    path = Path(to)
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise SettingError(unknown_name("format of a plot", ending or path.name, FORMATS))
    if ending == "html":
        from gradfleet.study.plots.interactive import interactive

        page = interactive(kind, facts, metrics=options["metrics"], of=options["of"])
        page.write_html(path, include_plotlyjs=True)  # nothing is fetched when it is opened
        return page
    figure = draw(kind, facts, **options)
    with styled(theme(options["look"])):
        figure.savefig(path, dpi=160)
    return figure
