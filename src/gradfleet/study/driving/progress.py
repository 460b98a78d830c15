"""What a sweep shows while it runs, on stderr: a live table on a terminal, a line per interval in a log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gradfleet.goal import Aim
from gradfleet.study.driving.budget import Budget
from gradfleet.study.standings import summary
from gradfleet.study.storage.rows import RecordRow, TrialRow, TrialState
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import Config

LINE_EVERY = 10.0
"""Seconds between two lines when stderr is no terminal."""

_ROWS = 12


@dataclass(slots=True)
class _Shown:
    """One trial as it is shown."""

    number: int
    config: Config
    state: str = "running"
    epoch: int = 0
    value: float | None = None
    rank: tuple[float, ...] = (float("inf"),)


class SweepProgress:
    """A `Watcher` that draws; use it as a context manager around the sweep.

    Args:
        shown: False says and draws nothing at all.
    """

    def __init__(
        self,
        name: str,
        objective: Aim,
        budget: Budget,
        *,
        shown: bool = True,
        console: Console | None = None,
    ) -> None:
        self._name = name
        self._objective = objective
        self._trials = budget.trials
        self._seconds = budget.seconds
        self._shown = shown
        self._console = console or Console(stderr=True)
        self._started = time.monotonic()
        self._last_line = self._started
        self._all: dict[int, _Shown] = {}
        self._live: Live | None = None

    def __enter__(self) -> SweepProgress:
        if self._shown and self._console.is_terminal:
            self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=4, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._shown and self._all:
            self.say(self._line())

    def say(self, text: str) -> None:
        """One line above the table, or in the log."""
        if self._shown:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    # -- Watcher -------------------------------------------------------------------------------------------------------

    def gone_on_with(self, trials: Sequence[TrialRow], best: Mapping[int, RecordRow]) -> None:
        for trial in trials:
            one = self._all[trial.number] = _Shown(trial.number, trial.config)
            if trial.number in best:
                self._note(one, best[trial.number].record)
            one.epoch = trial.epochs
            self._settle(one, trial.state)
        if trials:
            ended = sum(trial.state != "RUNNING" for trial in trials)
            self.say(f"Going on: {ended} trials have ended, {len(trials) - ended} are taken up again.")

    def _settle(self, one: _Shown, state: TrialState) -> None:
        one.state = state.lower()
        if state == "FAIL":
            one.rank = (float("inf"),)

    def noted(self, text: str) -> None:
        self.say(text)

    def started(self, number: int, config: Config) -> None:
        self._all.setdefault(number, _Shown(number, config))  # one that is taken up again keeps its best
        self._maybe_line()

    def recorded(self, number: int, record: EpochRecord) -> None:
        self._note(self._all[number], record)
        self._maybe_line()

    def _note(self, one: _Shown, record: EpochRecord) -> None:
        one.epoch = record.epoch
        rank = self._objective.rank(record.metrics)
        if one.value is None or rank < one.rank:
            one.rank, one.value = rank, self._objective.value(record.metrics)

    def ended(self, number: int, state: TrialState, reason: str | None) -> None:
        self._settle(self._all.setdefault(number, _Shown(number, {})), state)
        if state == "FAIL":
            self.say(f"Trial {number} failed: {reason}")
        self._maybe_line()

    # -- drawing -------------------------------------------------------------------------------------------------------

    def _best(self) -> _Shown | None:
        usable = [one for one in self._all.values() if one.value is not None and one.state != "fail"]
        return min(usable, key=lambda one: (one.rank, one.number), default=None)

    def _line(self) -> str:
        """Where the sweep is, in one line."""
        ended = sum(one.state != "running" for one in self._all.values())
        elapsed = time.monotonic() - self._started
        of_trials = "" if self._trials is None else f" of {self._trials}"
        of_seconds = "" if self._seconds is None else f" of {self._seconds:.0f}"
        best = self._best()
        found = "no result yet"
        if best is not None:
            found = f"best {self._objective.metric} {best.value:.4f} (trial {best.number})"
        running = len(self._all) - ended
        return f"{self._name}: {ended}{of_trials} trials, {running} running, {found}, {elapsed:.0f}{of_seconds} s"

    def _maybe_line(self) -> None:
        if self._live is None and self._shown and time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            self.say(self._line())

    def _table(self) -> Table:
        """The running trials and the best ones, best first."""
        table = Table(title=self._line(), title_justify="left", title_style="bold", expand=False)
        for name in ("trial", "state", "epoch", self._objective.metric):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        # May wrap for Rich to narrow it alone, and not the short columns until nothing is left of them; it is cut.
        table.add_column("config")
        running = [one for one in self._all.values() if one.state == "running"]
        others = sorted(
            (one for one in self._all.values() if one.state != "running"), key=lambda one: (one.rank, one.number)
        )
        best = self._best()
        for one in [*running, *others][:_ROWS]:
            value = "" if one.value is None else f"{one.value:.4f}"
            style = "bold green" if one is best else ("dim" if one.state in ("pruned", "fail") else "")
            config = Text(summary(one.config), no_wrap=True, overflow="ellipsis")
            table.add_row(str(one.number), one.state, str(one.epoch), value, config, style=style)
        return table
