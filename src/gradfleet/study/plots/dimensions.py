"""Plots of what the configurations have to do with the results: importance, slices, contours, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from gradfleet.search.choice import Choice
from gradfleet.search.ranges import Float, Int
from gradfleet.study.plots.facts import PlotFacts, short
from gradfleet.study.plots.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gradfleet.search.dimensions import Dimension
    from gradfleet.trials.plan import Value

_MANY = 400
_SHOWN = 12


def importance(figure: Figure, facts: PlotFacts, look: Theme) -> None:
    """How much of the variation of the objective each dimension explains."""
    shares = dict(list(facts.importances.items())[:_SHOWN])
    names, values = [short(name) for name in shares], list(shares.values())
    axes = figure.add_subplot()
    bars = axes.barh(names, values, height=0.62, color=look.accent)
    axes.bar_label(bars, [f"{value:.0%}" for value in values], padding=4, color=look.ink, fontsize=8.5)
    axes.invert_yaxis()
    axes.set(xlabel=f"share of the variation of {facts.objective.metric}", xlim=(0, max([*values, 0.01]) * 1.15))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def slices(figure: Figure, facts: PlotFacts, look: Theme, dimensions: Sequence[str] = ()) -> None:
    """The objective over one dimension at a time; later trials are darker."""
    usable = facts.finite
    chosen = facts.chosen(dimensions, most=6)
    columns = min(3 if figure.get_figwidth() > 6 else 2, len(chosen))
    shared: Axes | None = None
    rows = -(-len(chosen) // columns)
    for place, (name, dimension) in enumerate(chosen.items(), start=1):
        axes = shared = figure.add_subplot(rows, columns, place, sharey=shared)
        points = [(trial.config[name], value, trial.number) for trial, value in usable if name in trial.config]
        _scale(axes, "x", name, dimension)
        axes.scatter(
            [_place(dimension, given) for given, _, _ in points], [value for _, value, _ in points],
            c=[number for *_, number in points], cmap=_shades(look), s=18, zorder=3, rasterized=len(points) > _MANY,
        )  # fmt: skip
        if place % columns == 1 or columns == 1:
            axes.set_ylabel(facts.objective.metric)


def contour(figure: Figure, facts: PlotFacts, look: Theme, dimensions: Sequence[str] = ()) -> None:
    """The objective over two dimensions at once, between the trials that have both."""
    (first, one), (second, other) = facts.pair(dimensions).items()
    both = [(trial, value) for trial, value in facts.finite if first in trial.config and second in trial.config]
    x = numpy.array([_place(one, trial.config[first]) for trial, _ in both], dtype=float)
    y = numpy.array([_place(other, trial.config[second]) for trial, _ in both], dtype=float)
    z = numpy.array([value for _, value in both], dtype=float)
    axes = figure.add_subplot()
    _scale(axes, "x", first, one)
    _scale(axes, "y", second, other)
    if _can_triangulate(x, y, (one, other)):
        axes.tricontourf(x, y, z, levels=12, cmap=look.scale, alpha=0.85)
    points = axes.scatter(x, y, c=z, cmap=look.scale, s=24, edgecolors=look.paper, linewidths=0.8, zorder=3)
    figure.colorbar(points, ax=axes, label=facts.objective.metric).outline.set_visible(False)


def parallel(figure: Figure, facts: PlotFacts, look: Theme, dimensions: Sequence[str] = ()) -> None:
    """A line a trial through its values, in the colour of its result; below an axis where it has no such dimension."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    chosen = facts.chosen(dimensions, most=7 if figure.get_figwidth() > 6 else 4)
    usable = facts.finite
    values = [value for _, value in usable]
    low, high = min(values), max(values)
    norm, shades = Normalize(low, high if high > low else low + 1), colormaps[look.scale]
    axes = figure.add_subplot()
    better_last = sorted(usable, key=lambda one: one[1], reverse=facts.objective.mode == "min")
    for place, (trial, value) in enumerate(better_last):
        heights = [
            _height(dimension, trial.config.get(name), there=name in trial.config) for name, dimension in chosen.items()
        ]
        axes.plot(
            range(len(chosen) + 1), [*heights, norm(value)], color=shades(norm(value)), linewidth=1.1,
            alpha=0.35 + 0.6 * place / max(1, len(better_last) - 1), rasterized=len(values) > _MANY,
        )  # fmt: skip
    room = 12 * figure.get_figwidth() / (len(chosen) + 1)
    for place, (name, dimension) in enumerate(chosen.items()):
        _axis(axes, place, _ticks(dimension), look)
        axes.text(place, 1.05, _wrapped(short(name), room), ha="center", va="bottom", fontsize=8.5, color=look.ink)
    _axis(axes, len(chosen), [(norm(tick), f"{tick:.4g}") for tick in numpy.linspace(low, high, 5)], look)
    axes.text(
        len(chosen),
        1.05,
        _wrapped(facts.objective.metric, room),
        ha="center",
        va="bottom",
        fontsize=8.5,
        weight="bold",
        color=look.ink,
    )
    axes.set(xlim=(-0.35, len(chosen) + 0.45), ylim=(-0.16, 1.02))
    axes.axis("off")


def _place(dimension: Dimension, value: Value) -> float:
    """A value on a dimension's axis; a choice's is its place among the choices."""
    if isinstance(dimension, Choice):
        names = [repr(choice) for choice in dimension.choices]
        return float(names.index(repr(value)) if repr(value) in names else -1)
    return float(value) if isinstance(value, int | float) else math.nan


def _scale(axes: Axes, which: str, name: str, dimension: Dimension) -> None:
    """Name and scale the axis `which`, "x" or "y", as the dimension is."""
    settings: dict[str, Any] = {"label": short(name)}
    if isinstance(dimension, Choice):
        settings |= {"ticks": range(len(dimension.choices)), "ticklabels": [str(one) for one in dimension.choices]}
        settings["lim"] = (-0.5, len(dimension.choices) - 0.5)
    elif dimension.log:
        marks = _marks(dimension)
        settings |= {"scale": "log", "ticks": marks, "ticklabels": [f"{mark:.3g}" for mark in marks]}
        settings["lim"] = _with_room(marks[0], marks[-1])
    axes.set(**{f"{which}{setting}": value for setting, value in settings.items()})
    if not isinstance(dimension, Choice) and dimension.log:
        (axes.xaxis if which == "x" else axes.yaxis).minorticks_off()  # their labels would lie over each other
    if which == "x" and sum(map(len, settings.get("ticklabels", ""))) > 24:
        axes.tick_params(axis="x", rotation=25)


def _can_triangulate(x: Any, y: Any, dimensions: Sequence[Dimension]) -> bool:
    """Whether there is a surface between the points: enough of them, not on one line, and numbers on both axes."""
    if len(x) < 6 or any(isinstance(dimension, Choice) for dimension in dimensions):
        return False
    scaled = [numpy.log(one) if dimension.log else one for one, dimension in zip((x, y), dimensions, strict=True)]  # type: ignore[union-attr]
    return int(numpy.linalg.matrix_rank(numpy.cov(numpy.stack(scaled)), tol=1e-12)) == 2


def _height(dimension: Dimension, value: Value, *, there: bool) -> float:
    """From 0 to 1 along an axis of the parallel coordinates; below it when the trial has no such dimension."""
    if not there:
        return -0.1
    if isinstance(dimension, Choice):
        return max(0.0, _place(dimension, value)) / (len(dimension.choices) - 1)
    low, high, number = float(dimension.low), float(dimension.high), float(value or 0)
    if dimension.log:
        low, high, number = math.log(low), math.log(high), math.log(max(number, 1e-300))
    return (number - low) / (high - low)


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    if isinstance(dimension, Choice):
        return [(_height(dimension, choice, there=True), str(choice)) for choice in dimension.choices]
    return [(place, f"{mark:.3g}") for place, mark in zip((0.0, 0.5, 1.0), _marks(dimension), strict=True)]


def _marks(dimension: Int | Float) -> tuple[float, float, float]:
    """Both ends of a range and its middle."""
    low, high = float(dimension.low), float(dimension.high)
    return low, math.sqrt(low * high) if dimension.log else (low + high) / 2, high


def _with_room(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """A range on a log axis with some room at both ends, so that no point lies on the frame."""
    room = (high / low) ** share
    return low / room, high * room


def _axis(axes: Axes, place: int, ticks: Sequence[tuple[float, str]], look: Theme) -> None:
    axes.plot([place, place], [0, 1], color=look.quiet, linewidth=1.2, zorder=4)
    box: Mapping[str, Any] = {"facecolor": look.paper, "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    for height, text in ticks:
        axes.text(place + 0.05, height, text, va="center", fontsize=7.5, color=look.ink, bbox=box, zorder=5)


def _wrapped(name: str, room: float) -> str:
    """A name of more than `room` letters over two lines, broken at its last dot or underscore."""
    if len(name) <= room:
        return name
    cut = max(name.rfind(".", 0, -3), name.rfind("_", 0, -3))
    return name if cut < 3 else f"{name[: cut + 1]}\n{name[cut + 1 :]}"


def _shades(look: Theme) -> Any:
    """From quiet to the accent."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", [look.quiet, look.accent])
