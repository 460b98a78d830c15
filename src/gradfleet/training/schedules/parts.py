"""What moves one value of an optimizer, or its learning rate through a torch scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.optimizers.values import read, write
from gradfleet.training.schedules.curves import Curve


class Part(Protocol):
    """Moves after every step, or after every epoch."""

    per_step: bool

    def step(self) -> None: ...

    def step_epoch(self, metrics: Mapping[str, float]) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class CurvePart:
    """Keeps one value of an optimizer on its curve, in every group.

    A learning rate keeps the groups' proportions: the group with the highest rate is on the curve.

    Args:
        total: how many steps or epochs the curve is over.
    """

    def __init__(self, optimizer: Optimizer, name: str, curve: Curve, total: int) -> None:
        self.per_step = curve.every == "step"
        self._value = curve.over(total)
        self._done = 0
        own = [read(group, name) for group in optimizer.param_groups]
        highest = max(own)
        if curve.relative:
            factors = own
        elif name == "learning_rate" and highest > 0:
            factors = [one / highest for one in own]
        else:
            factors = [1.0] * len(own)
        self._optimizer, self._name, self._factors = optimizer, name, factors
        self._write()

    def step(self) -> None:
        self._done += 1
        self._write()

    def step_epoch(self, metrics: Mapping[str, float]) -> None:
        self.step()

    def state_dict(self) -> dict[str, Any]:
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._done = state["done"]
        self._write()

    def _write(self) -> None:
        value = self._value(self._done)
        # Loading its state gives an optimizer other groups, so they are asked for each time.
        for group, factor in zip(self._optimizer.param_groups, self._factors, strict=False):
            write(group, self._name, value * factor)


class TorchPart:
    """A torch scheduler of the learning rate.

    Args:
        monitor: the metric that one which follows a metric is given; `val_loss`, or `train_loss` without validation,
            when it is None.
    """

    def __init__(self, scheduler: LRScheduler, *, per_step: bool, monitor: str | None = None) -> None:
        self.per_step = per_step
        self._scheduler = scheduler
        self._monitor = monitor

    def step(self) -> None:
        self._scheduler.step()

    def step_epoch(self, metrics: Mapping[str, float]) -> None:
        if isinstance(self._scheduler, ReduceLROnPlateau):
            self._scheduler.step(self._metric(metrics))
        else:
            self._scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return self._scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._scheduler.load_state_dict(state)

    def _metric(self, metrics: Mapping[str, float]) -> float:
        if self._monitor is None:
            return metrics.get("val_loss", metrics.get("train_loss", float("nan")))
        if self._monitor not in metrics:
            raise SettingError(unknown_name("metric that a schedule could follow", self._monitor, metrics))
        return metrics[self._monitor]
