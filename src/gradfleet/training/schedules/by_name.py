"""Schedules by name, curve, torch scheduler or factory: of the learning rate, and of an optimizer's other values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.optimizers.values import Rates, known_values, put_back
from gradfleet.training.schedules import curves
from gradfleet.training.schedules.curves import Curve
from gradfleet.training.schedules.parts import CurvePart, Part, TorchPart
from gradfleet.training.schedules.torch_schedules import TORCH_SCHEDULERS, TorchSchedule

ScheduleFactory = Callable[..., LRScheduler]
OneSchedule = str | Curve | TorchSchedule | type[LRScheduler] | ScheduleFactory
ScheduleChoice = OneSchedule | Mapping[str, OneSchedule | tuple[Curve, Curve]]

SCHEDULES: Mapping[str, Mapping[str, Curve] | type[LRScheduler]] = {
    "cosine": {"learning_rate": curves.cosine(1.0).of_own_value()},
    "flat_cosine": {"learning_rate": curves.flat_cosine(1.0).of_own_value()},
    "linear": {"learning_rate": curves.linear(1.0, 0.0).of_own_value()},
    "one_cycle": {"learning_rate": curves.one_cycle(1.0).of_own_value(), "momentum": curves.momentum_cycle()},
    "plateau": ReduceLROnPlateau,
    "restarts": {"learning_rate": curves.restarts(1.0).of_own_value()},
    "warmup_cosine": {"learning_rate": curves.warmup_cosine(1.0).of_own_value()},
}
"""In factors of the learning rate that the optimizer was made with; momentum as it is."""


class Schedule:
    """Everything that moves the numbers of one optimizer.

    Attributes:
        per_step: whether something moves after every step, so that `step` must be called.
    """

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._step_parts = [part for part in parts if part.per_step]
        self.per_step = bool(self._step_parts)

    def step(self) -> None:
        """Move on after a step of the optimizer."""
        for part in self._step_parts:
            part.step()

    def step_epoch(self, metrics: Mapping[str, float]) -> None:
        """Move on after an epoch."""
        for part in self._parts:
            if not part.per_step:
                part.step_epoch(metrics)

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for part, own in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(own)


def problems(choice: ScheduleChoice | None, known: frozenset[str] | None = None) -> list[str]:
    """Why `choice` cannot be a schedule; empty when it can.

    Args:
        known: the values that the optimizer has, when that is known.
    """
    if not isinstance(choice, Mapping):
        return _choice_problems(choice)
    strange = [name for name in choice if name not in known] if known is not None else []
    found = [unknown_name("value of the optimizer", name, known or ()) for name in strange]
    given: Mapping[str, Any] = choice
    for name, one in given.items():
        if name == "betas" and isinstance(one, tuple):
            fits = len(one) == 2 and all(isinstance(part, Curve) for part in one)
            found += [] if fits else [f"A schedule of betas is a pair of curves, got {one!r}."]
        elif isinstance(one, Curve) or name == "learning_rate":
            found += _choice_problems(one)
        elif not isinstance(one, str) or not isinstance(SCHEDULES.get(one, {}), Mapping):
            found.append(f"A schedule of {name} is a curve, such as cosine(0.1, 0.01), or a curve's name, got {one!r}.")
        else:
            found += _choice_problems(one)
    return found


def build(
    choice: ScheduleChoice, optimizer: Optimizer, rates: Rates, total_steps: int | None, total_epochs: int
) -> Schedule:
    """The schedule over this many steps of the optimizer, from `rates` on: an earlier schedule may have moved them.

    A factory that takes `total_steps` moves after every step, any other after every epoch.

    Raises:
        SettingError: the optimizer has no such value, or the number of steps is needed and the data does not know it.
    """
    if found := problems(choice, known_values(optimizer.param_groups[0])):
        raise SettingError(found)
    put_back(optimizer, rates)
    parts: list[Part] = []
    for name, one in _expanded(choice, optimizer):
        if isinstance(one, Curve):
            total = total_epochs if one.every == "epoch" else total_steps
            if total is None:
                raise _unknown_length(choice)
            parts.append(CurvePart(optimizer, name, one, max(1, total)))
        else:
            parts.append(_torch_part(one, optimizer, total_steps))
    return Schedule(parts)


def to_json(choice: ScheduleChoice | None) -> Any:
    """Names, curves and torch schedulers by name as JSON; a factory or class of the user's own stays what it is."""
    if isinstance(choice, Curve | TorchSchedule):
        return choice.to_json()
    if isinstance(choice, tuple):
        return [to_json(one) for one in choice]
    if isinstance(choice, Mapping):
        return {name: to_json(one) for name, one in choice.items()}  # type: ignore[arg-type]  # a tuple is for betas
    return choice


def from_json(values: Any) -> Any:
    """What `to_json` was given."""
    if isinstance(values, list):
        return tuple(from_json(one) for one in values)
    if not isinstance(values, Mapping):
        return values
    if "curve" in values:
        return Curve.from_json(values)
    if "scheduler" in values:
        return TorchSchedule(**values)
    return {name: from_json(one) for name, one in values.items()}


def _expanded(choice: ScheduleChoice, optimizer: Optimizer) -> Iterator[tuple[str, Any]]:
    """Each value of the optimizer with its own curve or torch scheduler."""
    if not isinstance(choice, Mapping):
        named = SCHEDULES.get(choice) if isinstance(choice, str) else None
        if isinstance(named, Mapping):
            known = known_values(optimizer.param_groups[0])  # not every optimizer has a momentum
            yield from ((name, curve) for name, curve in named.items() if name in known)
        else:
            yield "learning_rate", choice
        return
    for name, one in choice.items():
        if isinstance(one, tuple):
            yield from zip(("beta1", "beta2"), one, strict=True)
        elif name == "learning_rate":
            rest = {each: part for each, part in _expanded(one, optimizer) if each not in choice or each == name}
            yield from rest.items()
        elif isinstance(one, str):
            named = SCHEDULES[one]
            assert isinstance(named, Mapping)
            yield name, named["learning_rate"]
        else:
            yield name, one


def _torch_part(choice: Any, optimizer: Optimizer, total_steps: int | None) -> TorchPart:
    if isinstance(choice, TorchSchedule):
        return TorchPart(choice.make(optimizer), per_step=choice.every == "step", monitor=choice.monitor)
    factory: Any = SCHEDULES.get(choice, TORCH_SCHEDULERS.get(choice)) if isinstance(choice, str) else choice
    if "total_steps" not in inspect.signature(factory).parameters:
        return TorchPart(factory(optimizer), per_step=False)
    if total_steps is None:
        raise _unknown_length(choice)
    return TorchPart(factory(optimizer, total_steps=max(1, total_steps)), per_step=True)


def _unknown_length(choice: Any) -> SettingError:
    return SettingError(f"The schedule {choice!r} needs to know the number of batches, and this data has no length.")


def _choice_problems(choice: OneSchedule | None) -> list[str]:
    if isinstance(choice, str):
        if choice in SCHEDULES:
            return []
        if choice not in TORCH_SCHEDULERS:
            return [unknown_name("schedule", choice, [*SCHEDULES, *TORCH_SCHEDULERS])]
        return _argument_problems(TORCH_SCHEDULERS[choice])
    if isinstance(choice, LRScheduler):
        return [
            "A schedule that is made already belongs to its optimizer alone; give its name, its class or a factory."
        ]
    if choice is None or isinstance(choice, Curve | TorchSchedule):
        return []
    if callable(choice):
        return _argument_problems(choice)
    return [f"A schedule is a name, a curve, a class or a factory of (optimizer), got {choice!r}."]


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
