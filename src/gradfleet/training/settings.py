"""What `Model.compile` was told: one frozen value that checks all of itself at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from torch import nn

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError, unknown_name
from gradfleet.training import kinds, losses, metrics, optimizers, schedules
from gradfleet.training.precision import PRECISIONS, PrecisionName

_OWN = "own"


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a network is trained; None leaves a choice to the kind of problem.

    Raises:
        SettingError: one or more of the settings cannot be; every reason is listed.
    """

    loss: losses.LossChoice | None = None
    optimizer: optimizers.OptimizerChoice = "adamw"
    learning_rate: float | None = None
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)
    metrics: metrics.MetricChoices | None = None
    kind: Kind | None = None
    precision: PrecisionName = "fp32"
    schedule: schedules.ScheduleChoice | None = None
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        found = losses.problems(self.loss)
        found += optimizers.problems(self.optimizer, self.learning_rate, self.optimizer_options)
        if self.kind is not None and self.kind not in kinds.KINDS:
            found.append(unknown_name("kind of problem", self.kind, kinds.KINDS))
            found += metrics.problems(self.metrics)
        else:
            found += metrics.problems(self.metrics, self.kind)
        if self.precision not in PRECISIONS:
            found.append(unknown_name("precision", self.precision, PRECISIONS))
        found += schedules.problems(self.schedule, optimizers.values_of(self.optimizer))
        if self.clip_norm is not None and not self.clip_norm > 0:
            found.append(f"A clip_norm above 0 is needed, got {self.clip_norm!r}.")
        if found:
            raise SettingError(found)

    @property
    def told_kind(self) -> Kind | None:
        """The kind of problem as far as the settings tell: given, or the only one that the loss is for."""
        possible = losses.kinds_of(self.loss)
        return self.kind or (possible[0] if len(possible) == 1 else None)

    def to_json(self) -> dict[str, Any]:
        """Names and numbers; what was given as an object is described and cannot be made again from here."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: _plain(value) for name, value in {**values, "schedule": schedules.to_json(self.schedule)}.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingSettings | None:
        """The settings again; None when one of them was an object of the user's own."""
        if any(_is_own(value) for value in values.values()):
            return None
        return cls(**{**values, "schedule": schedules.from_json(values.get("schedule"))})


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    cls = value if isinstance(value, type) or hasattr(value, "__qualname__") else type(value)
    return {_OWN: f"{cls.__module__}.{cls.__qualname__}"}


def _is_own(value: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {_OWN} or any(_is_own(one) for one in value.values())
    return isinstance(value, list) and any(_is_own(one) for one in value)


def network_problems(networks: Mapping[str, Any]) -> list[str]:
    """Why these cannot be a model's networks; empty when they can."""
    if not networks:
        return ["A model needs at least one network."]
    return [
        f"A network is a torch Module, got {type(network).__name__} for {name!r}."
        for name, network in networks.items()
        if not isinstance(network, nn.Module)
    ]
