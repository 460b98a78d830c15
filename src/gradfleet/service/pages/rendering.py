"""Templates as answers: everything is escaped, and browsers are told to fetch nothing from elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from gradfleet.study.report.page import date, duration, value

_HEADERS = {
    # Plots are pictures whose parts have styles of their own, and so have the bars of a budget.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}


def render(template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """The page that a template makes of `context`."""
    text = _environment().get_template(template).render(context)
    return HTMLResponse(text, status_code=status, headers=_HEADERS)


def ago(moment: float) -> str:
    """How long a Unix time is past, with what matters of it.

    Example:
        >>> ago(time.time() - 7300)
        '2 h ago'
    """
    seconds = max(time.time() - moment, 0.0)
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (size < 86400 and seconds >= size):
            return f"{seconds / size:.0f} {unit} ago" if size == 86400 else f"{int(seconds // size)} {unit} ago"
    return "just now"


def shown(one: Any) -> str:
    """A number as the report writes it; a dash for none."""
    return "\N{EN DASH}" if one is None else value(one)


def shortened(values: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Each name, as much of its end as tells it from the others, and its value.

    Example:
        >>> [short for _, short, _ in shortened({"sgd.momentum": 0.9, "mixup.strength": 0.1, "weights.strength": 0.2})]
        ['momentum', 'mixup.strength', 'weights.strength']
    """
    ends = Counter(name.rsplit(".", 1)[-1] for name in values)
    found = []
    for name, one in values.items():
        parts = name.split(".")
        found.append((name, ".".join(parts[-1 if ends[parts[-1]] == 1 else -2 :]), one))
    return found


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("gradfleet.service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"shown": shown, "duration": duration, "date": date, "ago": ago, "shortened": shortened}
    return made
