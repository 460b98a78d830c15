"""Plots and reports of sweeps, as JSON, PNG and HTML."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradfleet.service.documents import plain
from gradfleet.service.service import Service

_drawing = threading.Lock()  # matplotlib's styles are of the whole process


def plotly(service: Service, name: str, kind: str, *, metrics: Sequence[str], dimensions: Sequence[str]) -> Any:
    """A plot as plotly's own JSON: `data` and `layout`.

    Raises:
        NotFoundError: there is no such sweep.
        SettingError: no plot is called so, or it does not take what was given.
        NoUsableTrialError: there is no result to draw.
    """
    from gradfleet.study.plots.interactive import interactive  # imports plotly

    facts = service.study(name).plot_facts()
    return json.loads(interactive(kind, facts, metrics=metrics, of=dimensions).to_json())


def png(
    service: Service, name: str, kind: str, *, metrics: Sequence[str], dimensions: Sequence[str], theme: str
) -> bytes:
    """A plot as a picture; errors as of `plotly`."""
    with _drawing, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plot.png")
        service.study(name).plot(kind, to=file, metrics=metrics, dimensions=dimensions, theme=theme)
        return file.read_bytes()


def report(service: Service, name: str) -> str:
    """A sweep as one HTML page that asks the network for nothing.

    Raises:
        NotFoundError: there is no such sweep.
    """
    with _drawing, tempfile.TemporaryDirectory() as folder:
        return service.study(name).report(Path(folder, "report.html")).read_text(encoding="utf-8")


def report_facts(service: Service, name: str) -> dict[str, Any]:
    """What the report says, as JSON values.

    Raises:
        NotFoundError: there is no such sweep.
    """
    facts: dict[str, Any] = plain(service.study(name).report_facts())
    return facts
