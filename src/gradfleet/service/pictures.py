"""Plots and reports of sweeps, as JSON, PNG and HTML; each is kept until there is something new to show."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

from gradfleet.service.documents import plain
from gradfleet.service.recent import Drawn
from gradfleet.service.service import Service
from gradfleet.study.storage.rows import ENDED
from gradfleet.study.study import Study


def kept(service: Service, name: str, what: tuple[Hashable, ...], draw: Callable[[Study], bytes]) -> bytes:
    """What `draw` makes of a sweep as it is now, or was within the last second.

    Args:
        what: says what is drawn and how.

    Raises:
        NotFoundError: there is no such sweep; and what `draw` raises.
    """
    row = service.row(name)
    # Bars of trials that run grow with time alone.
    moment = None if row.state in ENDED else int(time.time())
    drawn = service.drawings.get((row.id, row.created, *what), Drawn)
    return drawn.get(
        (row.revision, row.state, moment if "timeline" in what else None), lambda: draw(service.study_of(row))
    )


def plotly(service: Service, name: str, kind: str, *, metrics: Sequence[str], dimensions: Sequence[str]) -> bytes:
    """A plot as plotly's own JSON: `data` and `layout`.

    Raises:
        NotFoundError: there is no such sweep.
        SettingError: no plot is called so, or it does not take what was given.
        NoUsableTrialError: there is no result to draw.
    """
    from gradfleet.study.plots.interactive import interactive  # imports plotly

    def draw(study: Study) -> bytes:
        text: str = interactive(kind, study.plot_facts(), metrics=metrics, of=dimensions).to_json()
        return text.encode()

    return kept(service, name, ("plotly", kind, *metrics, None, *dimensions), draw)


def png(
    service: Service, name: str, kind: str, *, metrics: Sequence[str], dimensions: Sequence[str], theme: str
) -> bytes:
    """A plot as a picture; errors as of `plotly`."""

    def draw(study: Study) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "plot.png")
            study.plot(kind, to=file, metrics=metrics, dimensions=dimensions, theme=theme)
            return file.read_bytes()

    return kept(service, name, ("png", theme, kind, *metrics, None, *dimensions), draw)


def report(service: Service, name: str, *, top: int = 20) -> bytes:
    """A sweep as one HTML page that asks the network for nothing.

    Raises:
        NotFoundError: there is no such sweep.
    """

    def draw(study: Study) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return study.report(Path(folder, "report.html"), top=top).read_bytes()

    return kept(service, name, ("report", top), draw)


def report_facts(service: Service, name: str, *, top: int = 20) -> dict[str, Any]:
    """What the report says, as JSON values.

    Raises:
        NotFoundError: there is no such sweep.
    """
    facts: dict[str, Any] = plain(service.study(name).report_facts(top=top))
    return facts
