"""Where the time of a fit goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context

if TYPE_CHECKING:
    import pandas

PARTS = ("data", "forward", "loss", "backward", "step", "batch end", "validation", "records", "epoch end")


class Profile(Callback):
    """Measures the parts of a fit; `table()` says how many seconds went into each.

    Every moment between the first event and the last belongs to one part, so that they add up to the fit. Callbacks
    are counted to the part in which they act: those at `batch_start` to the forward pass. "epoch end" is callbacks at
    `epoch_end` and what the caller of `epochs` does with a record. On a GPU each event waits for what
    was begun before it, which makes the loop slower than it is without.
    """

    priority = -1000
    may_log = False

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._counts = dict.fromkeys(PARTS, 0)
        self._part = "data"
        self._since = self._started = self._ended = 0.0
        self._waits = False

    @property
    def seconds(self) -> float:
        """From the first event of the fit to its last."""
        return self._ended - self._started

    def table(self) -> pandas.DataFrame:
        """A row for each part: `seconds`, `share` of the fit, `times`, and `microseconds` of one time."""
        import pandas

        seconds = pandas.Series(self._seconds)
        times = pandas.Series(self._counts)
        frame = pandas.DataFrame({"seconds": seconds, "share": seconds / self.seconds, "times": times})
        frame["microseconds"] = (seconds / times * 1e6).round(1)
        return frame[times > 0].rename_axis("part")

    def on_fit_start(self, context: Context) -> None:
        self._waits = context.model.device.type == "cuda"
        self._seconds, self._counts = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0)
        self._started = self._since = time.perf_counter()
        self._part = "records"

    def on_epoch_start(self, context: Context) -> None:
        self._enter("data")

    def on_batch_start(self, context: Context) -> None:
        self._enter("forward")

    def on_forward_end(self, context: Context) -> None:
        self._enter("loss")

    def on_loss_end(self, context: Context) -> None:
        self._enter("backward")

    def on_backward_end(self, context: Context) -> None:
        self._enter("step")

    def on_step_end(self, context: Context) -> None:
        self._enter("batch end")

    def on_batch_end(self, context: Context) -> None:
        self._enter("data")

    def on_train_end(self, context: Context) -> None:
        self._enter("records")

    def on_validation_start(self, context: Context) -> None:
        self._enter("validation")

    def on_validation_end(self, context: Context) -> None:
        self._enter("records")

    def on_epoch_end(self, context: Context) -> None:
        self._enter("epoch end")

    def on_fit_end(self, context: Context) -> None:
        self._enter("records")
        self._ended = self._since

    def _enter(self, part: str) -> None:
        """What was until now belongs to the part before."""
        if self._waits:
            torch.cuda.synchronize()
        now = time.perf_counter()
        self._seconds[self._part] += now - self._since
        self._counts[self._part] += 1
        self._part, self._since = part, now
