"""Show how a fit goes."""

from __future__ import annotations

from rich.console import Console
from torch import distributed

from gradfleet.errors import SettingError
from gradfleet.notebook import Show, notebook_show
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.callbacks.faces import Face, Log, Notebook, Terminal
from gradfleet.training.context import Context


class Progress(Callback):
    """On a terminal a table that grows by a row an epoch, over a bar that moves with the batches; in a notebook a table
    in place; else lines on stderr, one an epoch. Of several processes the first one alone shows anything.

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
        self._face: Face | None = None

    def on_fit_start(self, context: Context) -> None:
        if not (distributed.is_available() and distributed.is_initialized() and distributed.get_rank() > 0):
            self._face = self._fitting_face()

    def on_epoch_start(self, context: Context) -> None:
        if self._face is not None:
            self._face.begin_epoch(context)

    def on_batch_end(self, context: Context) -> None:
        if self._face is not None:
            self._face.show_batch(context)

    def on_epoch_end(self, context: Context) -> None:
        if self._face is not None:
            self._face.show_epoch(context)

    def on_fit_end(self, context: Context) -> None:
        if self._face is not None:
            self._face.end(context)
        self._face = None

    def _fitting_face(self) -> Face:
        show = self._given_show or notebook_show()
        if show is not None:
            return Notebook(show)
        console = Console(stderr=True, highlight=False)
        return Terminal(console) if console.is_terminal else Log(console, self._seconds)
