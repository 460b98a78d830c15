"""Stochastic weight averaging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.averages import WeightAverage
from gradfleet.training.context import Context
from gradfleet.training.networks.batch_norm import fresh_statistics, learning_norms


class SWA(WeightAverage):
    """The mean of the weights at the ends of the last epochs. https://arxiv.org/abs/1803.05407

    The statistics of batch norm belong to the weights that they were computed with, so they are computed anew for the
    mean, by a pass over the training data each time that the mean has moved (section 3.2 of the paper). A model of
    several networks has its statistics averaged like weights: which inputs a network of it gets, its step alone knows.

    Args:
        start: the first epoch that counts: its number, or as a float the part of the fit that is over by then.
        validate: whether the average is what is validated, once there is one.
        save: whether the average is what checkpoints keep, and what the model has after the fit.
        recompute_batch_norm: whether to do so; otherwise its statistics are averaged too.

    Raises:
        SettingError: the start is below epoch 1, or no part of a fit.
    """

    def __init__(
        self,
        start: int | float = 0.75,
        *,
        validate: bool = True,
        save: bool = True,
        recompute_batch_norm: bool = True,
    ) -> None:
        if not (0 <= start < 1 if type(start) is float else start >= 1):
            raise SettingError(
                f"SWA starts at an epoch from 1, or at a part of the fit from 0.0 below 1.0, got {start!r}."
            )
        super().__init__(validate=validate, save=save)
        self.start = start
        self._recompute = recompute_batch_norm
        self._num_averaged = 0

    def state(self) -> Mapping[str, Any]:
        return {**super().state(), "num_averaged": self._num_averaged}

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self._num_averaged = state["num_averaged"]

    def on_fit_start(self, context: Context) -> None:
        if not self._resumed:
            self._num_averaged = 0
        super().on_fit_start(context)

    def on_train_end(self, context: Context) -> None:
        first = self._first(context.total_epochs)
        if context.epoch >= first and context.stop_reason is None:
            self._num_averaged += 1
            self._take(context, 1 / self._num_averaged)
            if self._recompute and len(context.model.networks) == 1:
                self._compute_statistics(context)

    def _compute_statistics(self, context: Context) -> None:
        model = context.model
        layers = learning_norms(model.network)
        if not layers:
            return
        self._swap(context)
        with fresh_statistics(layers), torch.no_grad(), model.precision.autocast():
            for batch in context.training_batches():
                model.micro_batch.run(batch, lambda rows, _: model.predict_step(rows))
        self._swap(context)

    def _first(self, epochs: int) -> int:
        """The first epoch that counts."""
        return int(self.start * epochs) + 1 if isinstance(self.start, float) else self.start
