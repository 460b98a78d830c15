"""PicturedSweep: a sweep of a service in plots and on a page, drawn there."""

from __future__ import annotations

import json
import os
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.errors import SettingError, unknown_name

if TYPE_CHECKING:
    from gradfleet.fleet.service_client import ServiceClient

_FORMATS = ("html", "json", "png")


class PicturedSweep:
    """Asks the service for what `PicturedStudy` draws; neither the store nor the data is needed here."""

    __slots__ = ()

    service: ServiceClient
    name: str

    def plot(
        self,
        kind: str,
        *,
        to: str | os.PathLike[str] | None = None,
        metrics: Sequence[str] = (),
        dimensions: Sequence[str] = (),
        theme: str = "light",
    ) -> Any:
        """The sweep as it is now: a plotly figure, or the path of the file that was written.

        Args:
            kind: as of `Study.plot`, and so are `metrics` and `dimensions`.
            to: a file to write: `.png`; `.html`, an interactive page that needs no network; or `.json`, plotly's own.
            theme: of a `.png`: "light" or "dark".

        Raises:
            SettingError: no such plot, format, metric or dimension; or the extra "plots" is not installed here.
            ConflictError: no trial has a result to draw.
        """
        asked = {"metric": list(metrics), "dimension": list(dimensions)}
        plot = f"{sweep_path(self.name)}/plots/{urllib.parse.quote(kind, safe='')}"
        if to is None:
            return _figure(self.service.get(plot, asked))
        file = Path(to)
        ending = file.suffix.removeprefix(".").lower()
        if ending not in _FORMATS:
            raise SettingError(unknown_name("format of a service's plot", ending or file.name, _FORMATS))
        if ending == "png":
            query = urllib.parse.urlencode({**asked, "theme": theme}, doseq=True)
            file.write_bytes(self.service.call("GET", f"{plot}/png?{query}"))
        elif ending == "json":
            file.write_text(json.dumps(self.service.get(plot, asked)), encoding="utf-8")
        else:
            _figure(self.service.get(plot, asked)).write_html(file, include_plotlyjs=True)
        return file

    def report(self, to: str | os.PathLike[str], *, top: int = 20) -> Path:
        """Write the sweep as one HTML page that needs no network, and return its path; see `Study.report`."""
        page = Path(to)
        page.write_bytes(self.service.call("GET", f"{sweep_path(self.name)}/report/html?top={top}"))
        return page

    def report_facts(self, *, top: int = 20) -> dict[str, Any]:
        """What the report says, as JSON values."""
        return dict(self.service.get(f"{sweep_path(self.name)}/report", {"top": top}))


def sweep_path(name: str) -> str:
    """Where the service answers for a sweep."""
    return f"/v1/sweeps/{urllib.parse.quote(name, safe='')}"


def _figure(said: dict[str, Any]) -> Any:
    try:
        from plotly.graph_objects import Figure
    except ImportError as error:
        raise SettingError('Interactive plots need plotly: pip install "gradfleet[plots]".') from error
    return Figure(said)
