"""Numbers of every batch, kept in the history."""

from __future__ import annotations

import math

import torch

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class BatchHistory(Callback):
    """Puts the training loss of each batch into the epoch's record, as `record.batches["loss"]`.

    Beside it, under its own name, the latest value at each batch of everything that steps log with `on_step`.

    A number a batch for as long as the history lives, and in every checkpoint; so it is off unless asked for. Batches
    that were left out, or whose step gave no loss, have NaN. `History.to_batch_frame` shows them.
    """

    may_log = False

    def __init__(self) -> None:
        self._values: dict[str, list[torch.Tensor | float]] = {"loss": []}

    def on_epoch_start(self, context: Context) -> None:
        self._values = {"loss": []}

    def on_batch_end(self, context: Context) -> None:
        before = len(self._values["loss"])
        loss = math.nan if context.loss is None else context.loss.detach()
        for name, value in {**context.logged, "loss": loss}.items():
            self._values.setdefault(name, [math.nan] * before).append(value)

    def on_train_end(self, context: Context) -> None:
        for name, values in self._values.items():
            context.log_batches(name, [float(value) for value in values])
        self._values = {"loss": []}
