"""A sweep as a cell of a notebook shows it: its state, its best trial with the learning curve, and a link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _MARGIN = 360, 120, 8


@dataclass(frozen=True, slots=True)
class Curve:
    """The objective of one trial, epoch by epoch."""

    trial: int
    points: Sequence[tuple[int, float]]

    def svg(self, metric: str) -> str:
        """A line over its epochs between the least and the largest value; the colour of the text is the page's own."""
        epochs, values = zip(*self.points, strict=True)
        places = " ".join(
            f"{_placed(epoch, epochs, _WIDTH):.1f},{_HEIGHT - _placed(value, values, _HEIGHT):.1f}"
            for epoch, value in self.points
        )
        caption = f"{metric} of trial {self.trial}, epochs {epochs[0]} to {epochs[-1]}: {min(values):.4g} to "
        return (
            f'<figure style="margin:0.5em 0">'
            f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="learning curve">'
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="currentColor" stroke-opacity="0.25"/>'
            f'<polyline points="{places}" fill="none" stroke="#2f6bd8" stroke-width="2"/></svg>'
            f"<figcaption>{escape(caption)}{max(values):.4g}</figcaption></figure>"
        )


@dataclass(frozen=True, slots=True)
class Card:
    """What there is to show of a sweep.

    Attributes:
        best: the best trial so far in words.
        metric: the objective's name.
        curve: of the best trial.
        page: where a browser shows what drives it.
    """

    name: str
    state: str
    best: str | None
    metric: str
    curve: Curve | None = None
    page: str | None = None

    def html(self) -> str:
        """All of it."""
        found = escape(self.best or "no result yet")
        page = "" if self.page is None else f' (<a href="{escape(self.page)}" target="_blank">its page</a>)'
        drawn = self.curve is not None and len(self.curve.points) > 1
        curve = self.curve.svg(self.metric) if self.curve is not None and drawn else ""
        return f"<p><strong>{escape(self.name)}</strong> is {self.state}: {found}{page}</p>{curve}"


def _placed(value: float, among: Sequence[float], length: int) -> float:
    low, high = min(among), max(among)
    part = (value - low) / (high - low) if high > low else 0.5
    return _MARGIN + part * (length - 2 * _MARGIN)
