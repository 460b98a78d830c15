"""Show how a fit goes, on stderr."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context

_REDRAW_SECONDS = 0.1


class Progress(Callback):
    """A line for every epoch; on a terminal also a bar that moves with the batches."""

    priority = 90
    writes = True

    def __init__(self) -> None:
        self._console: Console | None = None
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._drawn = 0.0

    def on_fit_start(self, context: Context) -> None:
        self._console = Console(stderr=True, highlight=False)
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=self._console, transient=True)
            self._bar.start()

    def on_epoch_start(self, context: Context) -> None:
        if self._bar is not None:
            title = f"epoch {context.epoch}/{context.total_epochs}"
            self._task = self._bar.add_task(title, total=context.num_batches)

    def on_batch_end(self, context: Context) -> None:
        now = time.monotonic()
        if self._bar is not None and self._task is not None and now - self._drawn > _REDRAW_SECONDS:
            self._drawn = now
            self._bar.update(self._task, completed=context.batch_number)

    def on_epoch_end(self, context: Context) -> None:
        self._drop_task()
        if self._console is not None:
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in context.metrics.items())
            self._console.print(f"epoch {context.epoch}/{context.total_epochs}  {numbers}", soft_wrap=True)

    def on_fit_end(self, context: Context) -> None:
        self._drop_task()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._console is not None and context.stop_reason is not None:
            self._console.print(f"stopped: {context.stop_reason}", soft_wrap=True)
        self._console = None

    def _drop_task(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
