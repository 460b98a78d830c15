"""Show how a fit goes."""

from __future__ import annotations

import math
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import distributed

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.callbacks.notebook import Show, notebook_show, to_html
from gradfleet.training.context import Context

_REDRAW_SECONDS = 0.1


class Progress(Callback):
    """On stderr a line for every epoch; on a terminal also a bar that moves with the batches; in a notebook a table.

    Of several processes that train together the first one alone shows anything.

    Args:
        seconds: in a log, the least time between two lines; 0 gives every epoch its line. A long epoch gets lines of
            its own then, and the last one of the fit is always there.
        show: takes the HTML of the table whenever it has changed; a notebook's own where there is one.

    Raises:
        SettingError: the seconds are negative.
    """

    priority = 90
    writes = True
    may_log = False

    def __init__(self, *, seconds: float = 0.0, show: Show | None = None) -> None:
        if not seconds >= 0:
            raise SettingError(f"Seconds of at least 0 are needed, got {seconds!r}.")
        self._seconds = seconds
        self._given_show = show
        self._show: Show | None = None
        self._console: Console | None = None
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._drawn = 0.0

    def on_fit_start(self, context: Context) -> None:
        if distributed.is_available() and distributed.is_initialized() and distributed.get_rank() > 0:
            return
        self._drawn = time.monotonic() if self._seconds else -math.inf
        self._show = self._given_show or notebook_show()
        if self._show is not None:
            return
        self._console = Console(stderr=True, highlight=False)
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=self._console, transient=True)
            self._bar.start()

    def on_epoch_start(self, context: Context) -> None:
        if self._bar is not None:
            self._task = self._bar.add_task(_title(context), total=context.num_batches)

    def on_batch_end(self, context: Context) -> None:
        now = time.monotonic()
        if self._bar is not None and self._task is not None:
            if now - self._drawn > _REDRAW_SECONDS:
                self._drawn = now
                self._bar.update(
                    self._task, completed=context.batch_number, description=_title(context) + _now(context)
                )
        elif self._console is not None and self._seconds and now - self._drawn >= self._seconds:
            self._drawn = now
            self._print(f"{_title(context)}  batch {context.batch_number}/{context.num_batches or '?'}{_now(context)}")

    def on_epoch_end(self, context: Context) -> None:
        self._drop_task()
        if self._show is not None:
            self._show(to_html(context.history, _title(context)))
        now = time.monotonic()
        is_last = context.epoch == context.total_epochs or context.stop_reason is not None
        if self._bar is not None or is_last or now - self._drawn >= self._seconds:
            self._drawn = now
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in context.metrics.items())
            self._print(f"{_title(context)}  {numbers}")

    def on_fit_end(self, context: Context) -> None:
        self._drop_task()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if context.stop_reason is not None:
            self._print(f"stopped: {context.stop_reason}")
            if self._show is not None:
                self._show(to_html(context.history, f"stopped: {context.stop_reason}"))
        self._console = self._show = None

    def _print(self, line: str) -> None:
        if self._console is not None:
            self._console.print(line, soft_wrap=True)

    def _drop_task(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


def _now(context: Context) -> str:
    """What steps log with `on_step`."""
    return "".join(f"  {name} {float(value):.4g}" for name, value in context.logged.items())


def _title(context: Context) -> str:
    return f"epoch {context.epoch}/{context.total_epochs}"
