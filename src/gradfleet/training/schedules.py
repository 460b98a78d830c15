"""Learning-rate schedules by name, class or factory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
)

from gradfleet.errors import SettingError, unknown_name

ScheduleFactory = Callable[..., LRScheduler]
Rates = list[dict[str, Any]]
ScheduleChoice = str | type[LRScheduler] | ScheduleFactory


def _cosine(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    return CosineAnnealingLR(optimizer, T_max=total_steps)


def _linear(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    return LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=total_steps)


def _one_cycle(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    return OneCycleLR(optimizer, max_lr=[group["lr"] for group in optimizer.param_groups], total_steps=total_steps + 1)


def _plateau(optimizer: Optimizer) -> LRScheduler:
    return ReduceLROnPlateau(optimizer)


SCHEDULES: Mapping[str, ScheduleFactory] = {
    "cosine": _cosine,
    "linear": _linear,
    "one_cycle": _one_cycle,
    "plateau": _plateau,
}


class Schedule(NamedTuple):
    """A torch scheduler and when it moves: after every step of the optimizer, or after every epoch."""

    scheduler: LRScheduler
    per_step: bool

    def step_epoch(self, metrics: Mapping[str, float]) -> None:
        """Move on after an epoch; one that follows a metric is given `val_loss`, or `train_loss` without validation."""
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(metrics.get("val_loss", metrics.get("train_loss", float("nan"))))
        elif not self.per_step:
            self.scheduler.step()


def problems(choice: ScheduleChoice | None) -> list[str]:
    """Why `choice` cannot be a schedule; empty when it can."""
    if isinstance(choice, str) and choice not in SCHEDULES:
        return [unknown_name("schedule", choice, SCHEDULES)]
    if isinstance(choice, LRScheduler):
        return [
            "A schedule that is made already belongs to its optimizer alone; give its name, its class or a factory."
        ]
    if choice is None or isinstance(choice, str) or callable(choice):
        return _argument_problems(choice)
    return [f"A schedule is a name, a class or a factory of (optimizer), got {choice!r}."]


def rates_of(optimizer: Optimizer) -> Rates:
    """The numbers of an optimizer that a schedule may move, in each of its groups."""
    return [
        {key: group[key] for key in ("lr", "betas", "momentum") if key in group} for group in optimizer.param_groups
    ]


def build(choice: ScheduleChoice, optimizer: Optimizer, rates: Rates, total_steps: int | None) -> Schedule:
    """The schedule over `total_steps` steps of the optimizer, from `rates` on: an earlier schedule may have moved them.

    A factory that takes `total_steps` moves after every step, any other after every epoch.

    Raises:
        SettingError: the schedule needs the number of steps, and the data does not know its length.
    """
    factory: ScheduleFactory = SCHEDULES[choice] if isinstance(choice, str) else choice
    for group, asked in zip(optimizer.param_groups, rates, strict=False):
        group.update(asked)
        group.pop("initial_lr", None)
    if not _wants_steps(factory):
        return Schedule(factory(optimizer), per_step=False)
    if total_steps is None:
        raise SettingError(f"The schedule {choice!r} needs to know the number of batches, and this data has no length.")
    return Schedule(factory(optimizer, total_steps=max(1, total_steps)), per_step=True)


def _wants_steps(factory: ScheduleFactory) -> bool:
    return "total_steps" in inspect.signature(factory).parameters


def _argument_problems(choice: Any) -> list[str]:
    if not isinstance(choice, type):
        return []
    parameters = list(inspect.signature(choice).parameters.values())[1:]
    missing = [one.name for one in parameters if one.default is one.empty and one.name != "total_steps"]
    if choice is OneCycleLR:  # its total_steps has a default, so only max_lr shows
        missing = ["max_lr"]
    if not missing:
        return []
    example = f"lambda optimizer: {choice.__name__}(optimizer, {missing[0]}=...)"
    return [f"{choice.__name__} needs {', '.join(missing)}; give a factory: {example}."]
