"""What the progress of a fit looks like: on a terminal, in a log and in a notebook."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from gradfleet.notebook import Show
from gradfleet.training.callbacks.table import to_html
from gradfleet.training.context import Context

_REDRAW_SECONDS = 0.1


class Face(Protocol):
    """One fit as somebody sees it."""

    def begin_epoch(self, context: Context) -> None: ...

    def show_batch(self, context: Context) -> None: ...

    def show_epoch(self, context: Context) -> None: ...

    def end(self, context: Context) -> None: ...


class Terminal:
    """A table with a row an epoch, over a bar that moves with the batches of the one that is trained."""

    def __init__(self, console: Console) -> None:
        self._console = console
        parts = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bar = Progress(*parts, console=console, transient=True)
        self._bar.start()
        self._task: TaskID | None = None
        self._drawn = -math.inf
        self._columns: tuple[str, ...] = ()

    def begin_epoch(self, context: Context) -> None:
        self._task = self._bar.add_task(_title(context), total=context.num_batches)

    def show_batch(self, context: Context) -> None:
        now = time.monotonic()
        if self._task is not None and now - self._drawn > _REDRAW_SECONDS:
            self._drawn = now
            self._bar.update(self._task, completed=context.batch_number, description=_title(context) + _now(context))

    def show_epoch(self, context: Context) -> None:
        self._drop_task()
        if new := [name for name in context.metrics if name not in self._columns]:
            self._columns = (*self._columns, *new)
            self._print("  ".join(("  epoch", *(_cell(name, name) for name in self._columns))), style="bold")
        cells = (_cell(name, _shown(context.metrics, name)) for name in self._columns)
        self._print("  ".join((f"{context.epoch}/{context.total_epochs}".rjust(7), *cells)))

    def end(self, context: Context) -> None:
        self._drop_task()
        self._bar.stop()
        if context.stop_reason is not None:
            self._print(_stopped(context))

    def _print(self, line: str, *, style: str | None = None) -> None:
        self._console.print(line, style=style, soft_wrap=True)

    def _drop_task(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


class Log:
    """Lines, the last one of the fit among them.

    Args:
        seconds: the least time between two of them; 0 is a line an epoch.
    """

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._written = time.monotonic() if seconds else -math.inf

    def begin_epoch(self, context: Context) -> None: ...

    def show_batch(self, context: Context) -> None:
        if self._seconds and self._is_time():
            self._print(f"{_title(context)}  batch {context.batch_number}/{context.num_batches or '?'}{_now(context)}")

    def show_epoch(self, context: Context) -> None:
        is_last = context.epoch == context.total_epochs or context.stop_reason is not None
        if self._is_time() or is_last:
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in context.metrics.items())
            self._print(f"{_title(context)}  {numbers}")

    def end(self, context: Context) -> None:
        if context.stop_reason is not None:
            self._print(_stopped(context))

    def _is_time(self) -> bool:
        return time.monotonic() - self._written >= self._seconds

    def _print(self, line: str) -> None:
        self._written = time.monotonic()
        self._console.print(line, soft_wrap=True)


class Notebook:
    """The table of the history, in place."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def begin_epoch(self, context: Context) -> None: ...

    def show_batch(self, context: Context) -> None: ...

    def show_epoch(self, context: Context) -> None:
        self._show(to_html(context.history, _title(context)))

    def end(self, context: Context) -> None:
        if context.stop_reason is not None:
            self._show(to_html(context.history, _stopped(context)))


def _cell(name: str, text: str) -> str:
    return text.rjust(max(len(name), 9))


def _shown(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.4g}" if name in metrics else ""


def _now(context: Context) -> str:
    """What steps log with `on_step`."""
    return "".join(f"  {name} {float(value):.4g}" for name, value in context.logged.items())


def _title(context: Context) -> str:
    return f"epoch {context.epoch}/{context.total_epochs}"


def _stopped(context: Context) -> str:
    return f"stopped: {context.stop_reason}"
