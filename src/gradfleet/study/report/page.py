"""The report as one HTML file that asks the network for nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import ChainableUndefined, Environment

from gradfleet.study.plots.facts import PlotFacts
from gradfleet.study.plots.theme import THEMES
from gradfleet.study.report.facts import MAIN
from gradfleet.study.report.pictures import picture

PLOTS = {
    "history": ("History", "Every trial, and the best value so far."),
    "curves": ("Learning curves", "The objective after each epoch; the best trial stands out."),
    "pareto": ("Trade-off", "The two objectives of every trial, and those that no other beats in both."),
    "importance": ("Importance", "How much of the objective's variation each dimension explains."),
    "parallel": ("Parallel coordinates", "A line a trial; below an axis where its branch has no such dimension."),
    "slice": ("Slices", "The objective over one dimension at a time; later trials are bluer."),
    "timeline": ("Timeline", "When each trial ran."),
}


def render(facts: Mapping[str, Any], plots: PlotFacts) -> str:
    """The page of `facts`, with its plots drawn from `plots`."""
    environment = Environment(autoescape=True, undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"value": value, "duration": duration, "date": date}
    pictures = {kind: drawn for kind in PLOTS if (drawn := picture(kind, plots)) is not None}
    template = environment.from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.render(**facts, pictures=pictures, titles=PLOTS, themes=THEMES, main_packages=MAIN)


def value(one: Any) -> str:
    """A number with what matters of it; everything else as it is."""
    if isinstance(one, bool) or one is None:
        return str(one).lower() if one is not None else "none"
    if isinstance(one, float):
        if one.is_integer() and 1e4 <= abs(one) < 1e15:  # a count, such as of parameters
            return f"{one:,.0f}"
        return f"{one:.4g}" if math.isfinite(one) and (abs(one) >= 1e4 or 0 < abs(one) < 1e-3) else f"{one:.4f}"
    return str(one)


def duration(seconds: float) -> str:
    """As people say it: "45 s", "12 min 5 s", "3 h 20 min".

    Example:
        >>> duration(0.42), duration(725), duration(12000)
        ('0.4 s', '12 min 5 s', '3 h 20 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def date(when: float) -> str:
    """Unix time as a day and a minute in UTC."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"
