"""Plots of what trials reached: history, learning curves, trade-offs, and who ran when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradfleet.errors import SettingError, unknown_name
from gradfleet.study.front import undominated
from gradfleet.study.plots.facts import PlotFacts
from gradfleet.study.plots.theme import STATES, Theme, legend, whole_numbers
from gradfleet.study.storage.rows import RecordRow, TrialRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MANY = 400  # more points than this are drawn as one picture inside an SVG


def history(figure: Figure, facts: PlotFacts, look: Theme) -> None:
    """The value of every trial, and the best so far."""
    axes = figure.add_subplot()
    usable = facts.usable
    for state in ("PRUNED", "COMPLETE"):
        points = [(trial.number, value) for trial, value in usable if trial.state == state]
        if points:
            face = "none" if state == "PRUNED" else look.accent
            axes.scatter(
                [number for number, _ in points],
                [value for _, value in points],
                s=22,
                label=f"{state.lower()} ({len(points)})",
                facecolors=face,
                edgecolors=getattr(look, STATES[state]),
                linewidths=1.1,
                zorder=3,
                rasterized=len(points) > _MANY,
            )
    failed = [trial.number for trial in facts.trials if trial.state == "FAIL"]
    if failed:
        at = axes.get_xaxis_transform()
        axes.scatter(
            failed,
            [0.02] * len(failed),
            s=24,
            marker="x",
            color=look.bad,
            transform=at,
            label=f"failed ({len(failed)})",
        )
    numbers, best = _best_so_far(facts)
    axes.step(numbers, best, where="post", color=look.good, linewidth=1.8, label="best so far", zorder=4)
    axes.set(xlabel="trial", ylabel=facts.objective.metric)
    whole_numbers(axes.xaxis)
    legend(axes)


def curves(figure: Figure, facts: PlotFacts, look: Theme, metrics: Sequence[str] = ()) -> None:
    """A metric over the epochs of every trial, or of some where there are very many; the best one's stands out."""
    names = list(metrics) or [facts.objective.metric]
    check_metrics(names, (record for records in facts.curves.values() for record in records))
    best = facts.ranking[0][0].number if facts.ranking else None
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(1, len(names), place)
        for number, records in facts.curves.items():
            points = [
                (one.epoch, one.metrics[name]) for one in records if math.isfinite(one.metrics.get(name, math.nan))
            ]
            if points and number != best:
                marker = "o" if len(points) == 1 else "None"
                axes.plot(
                    *zip(*points, strict=True), color=look.quiet, linewidth=0.9, alpha=0.55, marker=marker,
                    markersize=2.5,
                )  # fmt: skip
            elif points:
                axes.plot(
                    *zip(*points, strict=True), color=look.accent, linewidth=2.2, marker="o", markersize=3.5, zorder=5,
                    label=f"trial {number}, the best",
                )  # fmt: skip
        if facts.are_some:
            axes.plot([], [], color=look.quiet, label=f"{len(facts.curves)} of {len(facts.trials):,} trials")
        axes.set(xlabel="epoch", ylabel=name)
        whole_numbers(axes.xaxis)
        legend(axes)


def pareto(figure: Figure, facts: PlotFacts, look: Theme, metrics: Sequence[str] = ()) -> None:
    """Two metrics of every trial's best record, and the trials that no other beats in both.

    Without metrics these are the two objectives of the search. An objective is as good as its mode says; any other
    metric counts as a cost: the lower the better. A minus in front of its name turns that around.
    """
    found = trade_off(facts, metrics)
    axes = figure.add_subplot()
    axes.scatter(*_both(found.points), s=22, color=look.quiet, label="trials")
    if found.outside:
        axes.scatter(*_both(found.outside), s=24, marker="x", color=look.bad, label=OUTSIDE)
    axes.plot(
        *_both(found.front), color=look.accent, marker="o", markersize=5, linewidth=1.6,
        label=f"front ({len(found.front)})",
    )  # fmt: skip
    for number, x, y in found.front[:12]:
        axes.annotate(f"{number}", (x, y), textcoords="offset points", xytext=(5, 5), fontsize=8, color=look.accent)
    axes.set(xlabel=found.names[0], ylabel=found.names[1])
    legend(axes)


Point = tuple[int, float, float]
"""A trial's number and two metrics of its best record."""

OUTSIDE = "breaks a constraint, or lacks runs"


@dataclass(frozen=True, slots=True)
class TradeOff:
    """Two metrics of the trials that have both.

    Attributes:
        names: of the metrics.
        points: the trials that may be on the front.
        outside: those that may not, see `Ranking.front`.
        front: the points that no other beats in both, in order.
    """

    names: list[str]
    points: list[Point]
    outside: list[Point]
    front: list[Point]


def trade_off(facts: PlotFacts, metrics: Sequence[str]) -> TradeOff:
    """What two metrics cost each other.

    Args:
        metrics: the two objectives of the search when not given.

    Raises:
        SettingError: they are not two, or no record has them.
    """
    objectives = [one.metric for one in facts.objective.objectives]
    metrics = metrics or (objectives if len(objectives) > 1 else ())
    names = [name.removeprefix("-") for name in metrics]
    if len(names) != 2:
        raise SettingError(
            f"A trade-off is between two metrics, got {', '.join(metrics) or 'none'}. Name two, as in "
            f"metrics=['train_seconds', {objectives[0]!r}]."
        )
    check_metrics(names, (record for _, record in facts.ranking))
    points: list[Point] = []
    outside: list[Point] = []
    for trial, record in facts.ranking:
        if all(math.isfinite(record.metrics.get(name, math.nan)) for name in names):
            point = trial.number, record.metrics[names[0]], record.metrics[names[1]]
            (points if facts.objective.final(record.metrics) else outside).append(point)
    signs = [_sign(facts, name) for name in metrics]
    found = set(undominated({number: (signs[0] * x, signs[1] * y) for number, x, y in points}))
    front = sorted((point for point in points if point[0] in found), key=lambda point: point[1:])
    return TradeOff(names, points, outside, front)


def _both(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for _, x, _ in points], [y for _, _, y in points]


def timeline(figure: Figure, facts: PlotFacts, look: Theme) -> None:
    """When each trial ran, side by side as they ran, in the colour of its state."""
    if not facts.trials:
        raise SettingError(f"Study {facts.name!r} has no trials to draw.")
    start = min(trial.started for trial in facts.trials)
    last = max(_end(trial, facts.now) for trial in facts.trials) - start
    scale, unit = next(
        (size, name) for size, name in ((3600, "h"), (60, "min"), (1, "s")) if last > 2 * size or size == 1
    )
    axes = figure.add_subplot()
    lanes = _lanes(facts)
    for state, colour in STATES.items():
        bars = [(trial, lanes[trial.number]) for trial in facts.trials if trial.state == state]
        if bars:
            axes.barh(
                [lane for _, lane in bars],
                [(_end(trial, facts.now) - trial.started) / scale for trial, _ in bars],
                left=[(trial.started - start) / scale for trial, _ in bars],
                height=0.72, color=getattr(look, colour), edgecolor=look.paper, linewidth=0.8,
                label=f"{state.lower()} ({len(bars)})", rasterized=len(bars) > _MANY,
            )  # fmt: skip
    if len(facts.trials) <= 40:
        _name_bars(axes, facts, lanes, start=start, scale=scale, last=last / scale, colour=look.paper)
    axes.set(xlabel=f"{unit} since the first trial", ylabel="side by side", ylim=(max(2, *lanes.values()) + 0.6, -0.6))
    axes.set_yticks(range(max(lanes.values()) + 1), [str(lane + 1) for lane in range(max(lanes.values()) + 1)])
    axes.grid(visible=False, axis="y")
    legend(axes)


def _best_so_far(facts: PlotFacts) -> tuple[list[int], list[float]]:
    """By the order of the leaderboard, in which what keeps the constraints goes before any value."""
    numbers: list[int] = []
    values: list[float] = []
    best: tuple[tuple[float, ...], float] | None = None
    for trial, record in sorted(facts.ranking, key=lambda one: one[0].number):
        rank = facts.objective.rank(record.metrics)
        if best is None or rank < best[0]:
            best = rank, facts.objective.value(record.metrics)
        numbers.append(trial.number)
        values.append(best[1])
    return [*numbers, facts.trials[-1].number + 1], [*values, values[-1]]


def check_metrics(names: Sequence[str], records: Iterable[RecordRow]) -> None:
    """
    Raises:
        SettingError: no record has a metric that is called so.
    """
    known = {name for record in records for name in record.metrics}
    if unknown := [unknown_name("metric in the records", name, known) for name in names if name not in known]:
        raise SettingError(unknown)


def _sign(facts: PlotFacts, metric: str) -> float:
    """1 where less is better."""
    modes = {one.metric: one.mode for one in facts.objective.objectives}
    mode = modes.get(metric.removeprefix("-"), "max" if metric.startswith("-") else "min")
    return 1.0 if mode == "min" else -1.0


def _lanes(facts: PlotFacts) -> dict[int, int]:
    """A lane for each trial: the first one that is free when it starts."""
    ends: list[float] = []
    lanes: dict[int, int] = {}
    for trial in sorted(facts.trials, key=lambda trial: trial.started):
        lane = next((lane for lane, end in enumerate(ends) if end <= trial.started), len(ends))
        ends[lane : lane + 1] = [_end(trial, facts.now)]
        lanes[trial.number] = lane
    return lanes


def _end(trial: TrialRow, now: float) -> float:
    return now if trial.ended is None else trial.ended


def _name_bars(
    axes: Axes, facts: PlotFacts, lanes: dict[int, int], *, start: float, scale: float, last: float, colour: str
) -> None:
    for trial in facts.trials:
        width = (_end(trial, facts.now) - trial.started) / scale
        if width > 0.025 * last:
            middle = (trial.started - start) / scale + width / 2
            axes.text(
                middle, lanes[trial.number], str(trial.number), ha="center", va="center", fontsize=7.5, color=colour
            )
