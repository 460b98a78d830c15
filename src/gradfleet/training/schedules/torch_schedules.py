"""A torch scheduler by name, with its options and its pace: a value that a checkpoint can describe."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.schedules.curves import Every

# Those that are made of other schedulers or of functions need a factory.
_OF_OBJECTS = {"ChainedScheduler", "LRScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR"}

TORCH_SCHEDULERS: Mapping[str, type[LRScheduler]] = {
    name: getattr(lr_scheduler, name) for name in lr_scheduler.__all__ if name not in _OF_OBJECTS
}


@dataclass(frozen=True, slots=True)
class TorchSchedule:
    """One of `torch.optim.lr_scheduler`.

    Args:
        scheduler: the name of its class.
        options: the arguments of the class after the optimizer.
        every: whether it moves after every step or after every epoch; one that follows a metric does so after epochs.
        monitor: the metric that ReduceLROnPlateau follows, as records name it.

    Example:
        >>> TorchSchedule("StepLR", {"step_size": 10, "gamma": 0.5}).every
        'epoch'

    Raises:
        SettingError: no scheduler has that name, or it refuses the options.
    """

    scheduler: str
    options: Mapping[str, Any] = field(default_factory=dict)
    every: Every = "epoch"
    monitor: str | None = None

    def __post_init__(self) -> None:
        if self.scheduler not in TORCH_SCHEDULERS:
            raise SettingError(unknown_name("scheduler of torch", self.scheduler, TORCH_SCHEDULERS))
        if self.every not in get_args(Every):
            raise SettingError(unknown_name("pace of a schedule", self.every, get_args(Every)))
        follows = self.scheduler == "ReduceLROnPlateau"
        if follows and self.every == "step":
            raise SettingError("ReduceLROnPlateau follows a metric, which there is after an epoch: every='epoch'.")
        if self.monitor is not None and not follows:
            raise SettingError(f"{self.scheduler} follows no metric; only ReduceLROnPlateau takes monitor=.")
        self._check_options()

    def make(self, optimizer: Optimizer) -> LRScheduler:
        """The scheduler of one optimizer."""
        return TORCH_SCHEDULERS[self.scheduler](optimizer, **self.options)

    def to_json(self) -> dict[str, Any]:
        return {
            "scheduler": self.scheduler,
            "options": dict(self.options),
            "every": self.every,
            "monitor": self.monitor,
        }

    def _check_options(self) -> None:
        signature = inspect.signature(TORCH_SCHEDULERS[self.scheduler])
        try:
            signature.bind(None, **self.options)
        except TypeError as error:
            known = ", ".join(list(signature.parameters)[1:])
            raise SettingError(f"{self.scheduler} refuses its options: {error}. It takes {known}.") from None
