"""The best record so far, by one metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gradfleet.errors import SettingError, unknown_name
from gradfleet.objective import Mode, Objective
from gradfleet.training.context import Context
from gradfleet.training.history import EpochRecord


class Best:
    """Remembers the best record's value and epoch.

    Args:
        mode: may be left out for a loss only, whose direction is known.
        min_delta: how much better a value must be to count, in the metric's own unit.
        relative_delta: the same as a part of the best value so far: 0.01 is one percent. The larger one counts.

    Raises:
        SettingError: the mode is missing, or a delta is negative.
    """

    def __init__(self, monitor: str, mode: Mode | None, min_delta: float = 0.0, relative_delta: float = 0.0) -> None:
        if mode is None and not monitor.endswith("loss"):
            raise SettingError(f"Say whether {monitor!r} is better high or low: mode='max' or mode='min'.")
        deltas = {"min_delta": min_delta, "relative_delta": relative_delta}
        if found := [f"{name} must be at least 0, got {delta!r}." for name, delta in deltas.items() if not delta >= 0]:
            raise SettingError(found)
        self.objective = Objective(monitor, mode or "min")
        self._min_delta, self._relative_delta = min_delta, relative_delta
        self.value: float | None = None
        self.epoch: int | None = None

    def clear(self) -> None:
        """Begin anew."""
        self.value = self.epoch = None

    def offer(self, record: EpochRecord) -> bool:
        """Whether this record is the new best. One with a loss that is not a number never is."""
        value = self.objective.value(record.metrics)
        if _diverged(record):
            return False
        if not self.objective.better(value, than=self._threshold()):
            return False
        self.value, self.epoch = value, record.epoch
        return True

    def rank(self, record: EpochRecord) -> float | None:
        """A sort key, smaller is better; None for a record that can never be among the best."""
        value = self.objective.value(record.metrics)
        if _diverged(record) or math.isnan(value):
            return None
        return -value if self.objective.mode == "max" else value

    def check_name(self, context: Context) -> None:
        """Refuse, before the first batch where possible, a metric that no record is going to have."""
        known = context.expected_metrics
        if known is not None and self.objective.metric not in known:
            raise SettingError(unknown_name("metric to monitor", self.objective.metric, known))

    def state(self) -> dict[str, Any]:
        return {"value": self.value, "epoch": self.epoch}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.value, self.epoch = state["value"], state["epoch"]

    def _threshold(self) -> float | None:
        if self.value is None:
            return None
        delta = max(self._min_delta, self._relative_delta * abs(self.value))
        return self.value + delta if self.objective.mode == "max" else self.value - delta


def _diverged(record: EpochRecord) -> bool:
    return any(math.isnan(record.metrics.get(loss, 0.0)) for loss in ("train_loss", "val_loss"))
