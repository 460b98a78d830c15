"""Running mean, deviation and smoothed value of the training loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context
from gradfleet.training.metrics.running import RunningMean, Smoothed


class LossStatistics(Callback):
    """Records `train_loss_mean` and `train_loss_deviation` over an epoch's batches, and `train_loss_smoothed`.

    The losses stay on their device until the epoch is over; the smoothed one runs over all epochs of a fit.

    Args:
        window: mean and deviation of so many batches at the epoch's end; None for all of the epoch's.
        smoothing: the share of the smoothed loss that remains at each batch.

    Raises:
        SettingError: a number cannot be.
    """

    def __init__(self, *, window: int | None = None, smoothing: float = 0.98) -> None:
        if (window is not None and window < 1) or not 0 <= smoothing < 1:
            raise SettingError(
                f"A window of at least 1 and a smoothing from 0 below 1 are needed, got {window}, {smoothing}."
            )
        self._window, self._smoothing = window, smoothing
        self._losses: list[torch.Tensor] = []
        self._smoothed = Smoothed(smoothing)
        self._resumed = False

    def state(self) -> Mapping[str, Any]:
        return {"smoothed": self._smoothed.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._smoothed = Smoothed(self._smoothing, *state["smoothed"])
        self._resumed = True

    def on_fit_start(self, context: Context) -> None:
        if not self._resumed:
            self._smoothed = Smoothed(self._smoothing)
        self._resumed = False

    def on_epoch_start(self, context: Context) -> None:
        self._losses.clear()

    def on_batch_end(self, context: Context) -> None:
        if context.loss is not None:
            self._losses.append(context.loss.detach().reshape(()))

    def on_train_end(self, context: Context) -> None:
        running = RunningMean(self._window)
        for loss in torch.stack(self._losses).tolist() if self._losses else ():
            running.add(loss)
            self._smoothed.add(loss)
        context.log("train_loss_mean", running.mean)
        context.log("train_loss_deviation", running.deviation)
        context.log("train_loss_smoothed", self._smoothed.mean)
