"""The training loss of every batch, kept in the history."""

from __future__ import annotations

import torch

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class BatchHistory(Callback):
    """Puts the training loss of each batch into the epoch's record, as `record.batches["loss"]`.

    A number a batch for as long as the history lives, and in every checkpoint; so it is off unless asked for. Batches
    that were left out, or whose step gave no loss, have NaN. `History.to_batch_frame` shows them.
    """

    def __init__(self) -> None:
        self._losses: list[torch.Tensor] = []

    def on_epoch_start(self, context: Context) -> None:
        self._losses.clear()

    def on_batch_end(self, context: Context) -> None:
        loss = context.loss
        self._losses.append(torch.tensor(torch.nan) if loss is None else loss.detach().reshape(()).float())

    def on_train_end(self, context: Context) -> None:
        context.log_batches("loss", [float(loss) for loss in self._losses])
        self._losses.clear()
