"""Train the last layer first, then more and more of those before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context
from gradfleet.training.networks.freezing import Statistics, freeze_to, layers_of


class GradualUnfreezing(Callback):
    """Freezes all layers but the last, and thaws one more from the end on every few epochs (Howard and Ruder 2018).

    Args:
        every: epochs until the next layer is thawed.
        statistics: of frozen BatchNorm layers, see `freezing.freeze`.

    Example:
        >>> GradualUnfreezing(every=2).every
        2
    """

    may_log = False

    def __init__(self, *, every: int = 1, statistics: Statistics = "freeze") -> None:
        if every < 1:
            raise SettingError(f"A layer is thawed every 1 or more epochs, got {every!r}.")
        self.every = every
        self.statistics = statistics
        self._first: int | None = None

    def state(self) -> Mapping[str, Any]:
        return {"first": self._first}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._first = state["first"]

    def on_epoch_start(self, context: Context) -> None:
        if self._first is None:
            self._first = context.epoch
        thawed = 1 + (context.epoch - self._first) // self.every
        for network in context.model.networks.values():
            layers = layers_of(network)
            _, names = layers[max(0, len(layers) - thawed)]
            freeze_to(network, names[0].replace("[", "[[]"), statistics=self.statistics)

    def on_fit_end(self, context: Context) -> None:
        self._first = None
