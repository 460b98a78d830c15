"""Stop when the model gets no better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gradfleet.errors import SettingError
from gradfleet.objective import Mode
from gradfleet.training.callbacks.best import Best
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class EarlyStopping(Callback):
    """Ends a fit when a metric has not become better for `patience` epochs, and puts the best weights back.

    Args:
        monitor: a metric's name as records have it, or the mode of each of several: the fit ends when none of them
            has become better.
        patience: epochs without a better value until the fit ends, at least 1.
        min_delta: how much better a value must be to count, in the metric's own unit.
        relative_delta: the same as a part of the best value so far; the larger one counts.
        mode: "min" or "max"; may be left out when `monitor` is a loss.
        restore_best: whether the model has the best epoch's weights after the fit, however it ended. Of several
            metrics the first decides which epoch that is.

    Attributes:
        reason: why the last fit ended here; None when it did not.
        best: the best `value` so far and its `epoch`; of the first metric.

    Example:
        >>> several = EarlyStopping({"val_loss": "min", "val_accuracy": "max"}, patience=5)
        >>> EarlyStopping("val_accuracy", mode="max", patience=5).best.value is None
        True

    Raises:
        SettingError: a setting cannot be; or, in a fit, records have no such metric: those they have are listed.
    """

    priority = 50
    may_log = False

    def __init__(
        self,
        monitor: str | Mapping[str, Mode] = "val_loss",
        *,
        patience: int = 3,
        min_delta: float = 0.0,
        relative_delta: float = 0.0,
        mode: Mode | None = None,
        restore_best: bool = True,
    ) -> None:
        if patience < 1:
            raise SettingError(f"A patience of at least 1 epoch is needed, got {patience}.")
        modes = _modes(monitor, mode)
        self._bests = [Best(metric, way, min_delta, relative_delta) for metric, way in modes.items()]
        self.best = self._bests[0]
        self.patience = patience
        self.restore_best = restore_best
        self.reason: str | None = None
        self._waited = 0
        self._weights: dict[str, dict[str, torch.Tensor]] = {}
        self._resumed = False

    def state(self) -> Mapping[str, Any]:
        return {"bests": [best.state() for best in self._bests], "waited": self._waited, "weights": self._weights}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for best, own in zip(self._bests, state["bests"], strict=True):
            best.load_state(own)
        self._waited, self._weights = state["waited"], state["weights"]
        self._resumed = True

    def on_fit_start(self, context: Context) -> None:
        self.reason = None
        for best in self._bests:
            best.check_name(context)
            if not self._resumed:
                best.clear()
        if not self._resumed:
            self._waited, self._weights = 0, {}
        self._resumed = False
        self._stop_if_due(context)

    def on_epoch_end(self, context: Context) -> None:
        assert context.record is not None
        better = [best.offer(context.record) for best in self._bests]
        if better[0] and self.restore_best:
            self._weights = _copy(context)
        if any(better):
            self._waited = 0
        else:
            self._waited += 1
            self._stop_if_due(context)

    def on_fit_end(self, context: Context) -> None:
        for name, weights in self._weights.items():
            context.model.put_weights(name, weights)

    def _stop_if_due(self, context: Context) -> None:
        if self._waited < self.patience:
            return
        named = " and ".join(best.objective.metric for best in self._bests)
        have = "has" if len(self._bests) == 1 else "have"
        epochs = [best.epoch for best in self._bests if best.epoch is not None]
        values = ", ".join(f"{best.value:.6g}" for best in self._bests if best.value is not None)
        since = f"since epoch {max(epochs)} ({values})" if epochs else "in any epoch"
        self.reason = f"{named} {have} not become better {since}, {self._waited} epochs ago"
        context.stop(self.reason)


def _modes(monitor: str | Mapping[str, Mode], mode: Mode | None) -> Mapping[str, Mode | None]:
    """The mode of each metric."""
    if isinstance(monitor, str):
        return {monitor: mode}
    if not monitor or mode is not None:
        raise SettingError(f"Several metrics have a mode each, {{'val_loss': 'min'}}, got {monitor!r} and {mode=}.")
    return dict(monitor)


def _copy(context: Context) -> dict[str, dict[str, torch.Tensor]]:
    return {
        name: {key: value.detach().clone() for key, value in network.state_dict().items()}
        for name, network in context.model.networks.items()
    }
