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
        monitor: a metric's name as records have it.
        patience: epochs without a better value until the fit ends, at least 1.
        min_delta: how much better a value must be to count, in the metric's own unit.
        mode: "min" or "max"; may be left out when `monitor` is a loss.
        restore_best: whether the model has the best epoch's weights after the fit, however it ended.

    Attributes:
        reason: why the last fit ended here; None when it did not.
        best: the best `value` so far and its `epoch`.

    Example:
        >>> EarlyStopping("val_accuracy", mode="max", patience=5).best.value is None
        True

    Raises:
        SettingError: a setting cannot be; or, in a fit, records have no such metric: those they have are listed.
    """

    priority = 50

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 3,
        min_delta: float = 0.0,
        mode: Mode | None = None,
        restore_best: bool = True,
    ) -> None:
        if patience < 1:
            raise SettingError(f"A patience of at least 1 epoch is needed, got {patience}.")
        self.best = Best(monitor, mode, min_delta)
        self.patience = patience
        self.restore_best = restore_best
        self.reason: str | None = None
        self._waited = 0
        self._weights: dict[str, dict[str, torch.Tensor]] = {}
        self._resumed = False

    def state(self) -> Mapping[str, Any]:
        return {"best": self.best.state(), "waited": self._waited, "weights": self._weights}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.best.load_state(state["best"])
        self._waited, self._weights = state["waited"], state["weights"]
        self._resumed = True

    def on_fit_start(self, context: Context) -> None:
        self.best.check_name(context)
        self.reason = None
        if not self._resumed:
            self.best.clear()
            self._waited, self._weights = 0, {}
        self._resumed = False
        self._stop_if_due(context)

    def on_epoch_end(self, context: Context) -> None:
        assert context.record is not None
        if self.best.offer(context.record):
            self._waited = 0
            if self.restore_best:
                self._weights = _copy(context)
        else:
            self._waited += 1
            self._stop_if_due(context)

    def on_fit_end(self, context: Context) -> None:
        for name, weights in self._weights.items():
            context.model.networks[name].load_state_dict(weights)

    def _stop_if_due(self, context: Context) -> None:
        if self._waited < self.patience:
            return
        metric = self.best.objective.metric
        since = f"since epoch {self.best.epoch} ({self.best.value:.6g})" if self.best.epoch else "in any epoch"
        self.reason = f"{metric} has not become better {since}, {self._waited} epochs ago"
        context.stop(self.reason)


def _copy(context: Context) -> dict[str, dict[str, torch.Tensor]]:
    return {
        name: {key: value.detach().clone() for key, value in network.state_dict().items()}
        for name, network in context.model.networks.items()
    }
