"""Stop at a moment in time."""

from __future__ import annotations

import time

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context

_LONG_AGO = 1e9  # the year 2001: what is below was meant as a number of seconds from now


class TimeLimit(Callback):
    """Ends a fit within one batch of `deadline`, in Unix seconds.

    The epoch that is cut short gives no record, unless the model has none yet: then it is validated, so that there is
    something to use.

    Attributes:
        part: how much of the epoch's training was done when the limit came, from 0 to 1; None while it has not, or
            where nobody knows how many batches an epoch has.

    Raises:
        SettingError: the deadline is no such moment.
    """

    priority = 60
    may_log = False

    def __init__(self, deadline: float) -> None:
        if not deadline > _LONG_AGO:
            raise SettingError(f"A deadline is a moment in Unix seconds, such as time.time() + 60, got {deadline!r}.")
        self.deadline = deadline
        self.part: float | None = None

    def on_epoch_start(self, context: Context) -> None:
        if len(context.history) > 0:  # a first epoch trains at least one batch
            self._check(context)

    def on_batch_end(self, context: Context) -> None:
        self._check(context)
        if context.stop_reason is not None and self.part is None and context.num_batches:
            self.part = context.batch_number / context.num_batches

    def on_validation_batch_end(self, context: Context) -> None:
        self._check(context)

    def _check(self, context: Context) -> None:
        if time.time() >= self.deadline:
            context.stop("the time limit is reached")
