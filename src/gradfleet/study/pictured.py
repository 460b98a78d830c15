"""PicturedStudy: a study in plots and on a page."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gradfleet.search.space import SearchSpace
from gradfleet.study.plots.facts import PlotFacts
from gradfleet.study.report.facts import report_facts
from gradfleet.study.stored import StoredStudy


class PicturedStudy(StoredStudy):
    """Draws what is in the store; neither the model nor the data is needed."""

    def plot(
        self,
        kind: str,
        *,
        to: str | os.PathLike[str] | None = None,
        metrics: Sequence[str] = (),
        dimensions: Sequence[str] = (),
        theme: str = "light",
    ) -> Any:
        """Draw the study as it is in the store: a matplotlib figure, or the plotly figure of a page.

        Kinds: "history" (every trial and the best so far), "curves" (a metric over epochs), "importance",
        "parallel", "slice", "contour", "pareto" (two metrics against each other) and "timeline".

        Args:
            to: a file to write: `.png`, `.svg` and `.pdf` are drawn by matplotlib; `.html` is an interactive page that
                needs no network.
            metrics: what "curves" shows, the objective when not given; the two of "pareto", the two objectives of a
                search when not given. An objective has its mode there, and any other metric is the better the lower, or
                the higher with a minus before it.
            dimensions: what "parallel", "slice" and "contour" show; the most important ones when not given.
            theme: "light" or "dark".

        Raises:
            SettingError: no such plot, format, metric or dimension; or the extra "plots" is not installed.
            NoUsableTrialError: no trial has a result to draw.
        """
        from gradfleet.study.plots import draw

        facts = self.plot_facts()
        options: dict[str, Any] = {"metrics": metrics, "of": dimensions, "look": theme}
        if to is not None:
            return draw.save(kind, facts, to, **options)
        return draw.settled(draw.draw(kind, facts, **options), look=theme)

    def plot_facts(self) -> PlotFacts:
        """What every plot of the study is drawn from, read at one moment."""
        space = SearchSpace.from_json(self._store.generations(self._id)[-1].space)
        read = partial(self._store.records_of, self._id)
        return PlotFacts(self.name, self._board.ranking(), read, space, time.time())

    def report(self, to: str | os.PathLike[str], *, top: int = 20) -> Path:
        """Write the study as one HTML page that needs no network, and return its path.

        It has the best configuration, the contract and what was used of it, the leaderboard, plots, failures by cause,
        and where all of it comes from; see `report_facts` for the same as values.

        Args:
            top: how many trials of the leaderboard are shown, beside the default configuration's.

        Raises:
            SettingError: the extra "plots" is not installed.
        """
        from gradfleet.study.report.page import render  # imports Jinja and matplotlib

        plots = self.plot_facts()
        page = Path(to)
        page.write_text(render(self._report_facts(plots, top=top), plots), encoding="utf-8")
        return page

    def report_facts(self, *, top: int = 20) -> dict[str, Any]:
        """What the report says, as JSON values."""
        return self._report_facts(self.plot_facts(), top=top)

    def _report_facts(self, plots: PlotFacts, *, top: int) -> dict[str, Any]:
        return report_facts(self.row, self.standings(), plots, self.provenance, top=top)
