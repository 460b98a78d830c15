"""What `Model.compile` was told: one frozen value that checks all of itself at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Literal, get_args

from torch import nn
from torch.optim import Optimizer

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError, unknown_name
from gradfleet.training import kinds, losses, metrics, optimizers, schedules
from gradfleet.training.precision import PRECISIONS, PrecisionName

_OWN = "own"
Strategy = Literal["ddp", "fsdp"]
"""How several processes share a network: a whole one in each, or a part of every weight."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a network is trained; None leaves a choice to the kind of problem.

    Raises:
        SettingError: one or more of the settings cannot be; every reason is listed.
    """

    loss: losses.LossChoice | None = None
    optimizer: optimizers.OptimizerChoice | Mapping[str, optimizers.OptimizerChoice] = "adamw"
    learning_rate: float | Mapping[str, float] | None = None
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)
    metrics: metrics.MetricChoices | None = None
    kind: Kind | None = None
    precision: PrecisionName = "fp32"
    schedule: schedules.ScheduleChoice | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    accumulate: int = 1
    torch_compile: bool | Mapping[str, Any] = False
    channels_last: bool = False
    strategy: Strategy = "ddp"

    def __post_init__(self) -> None:
        found = losses.problems(self.loss)
        found += self._optimizer_problems()
        if self.kind is not None and self.kind not in kinds.KINDS:
            found.append(unknown_name("kind of problem", self.kind, kinds.KINDS))
            found += metrics.problems(self.metrics)
        else:
            found += metrics.problems(self.metrics, self.kind)
        if self.precision not in PRECISIONS:
            found.append(unknown_name("precision", self.precision, PRECISIONS))
        found += schedules.problems(self.schedule, self._scheduled_values())
        found += [
            f"A {name} above 0 is needed, got {limit!r}."
            for name, limit in (("clip_norm", self.clip_norm), ("clip_value", self.clip_value))
            if limit is not None and not (isinstance(limit, Real) and limit > 0)
        ]
        if not isinstance(self.accumulate, Integral) or self.accumulate < 1:
            found.append(f"accumulate must be a whole number of at least 1, got {self.accumulate!r}.")
        found += self._strategy_problems()
        if found:
            raise SettingError(found)

    def _strategy_problems(self) -> list[str]:
        if self.strategy not in get_args(Strategy):
            return [unknown_name("strategy", self.strategy, get_args(Strategy))]
        if self.strategy == "ddp":
            return []
        not_with = {
            "accumulate above 1": self.accumulate != 1,
            "precision='fp16'": self.precision == "fp16",
            "torch_compile": self.torch_compile is not False,
            "an optimizer that is made already": isinstance(self.optimizer, Optimizer),
        }
        return [f"strategy='fsdp' does not go with {name}; use 'ddp'." for name, there in not_with.items() if there]

    @property
    def told_kind(self) -> Kind | None:
        """The kind of problem as far as the settings tell: given, or the only one that the loss is for."""
        possible = losses.kinds_of(self.loss)
        return self.kind or (possible[0] if len(possible) == 1 else None)

    def optimizer_of(self, network: str) -> tuple[optimizers.OptimizerChoice | None, float | None, Mapping[str, Any]]:
        """One network's optimizer, learning rate and options; None when it is not to be trained."""
        rate = self.learning_rate.get(network) if isinstance(self.learning_rate, Mapping) else self.learning_rate
        if isinstance(self.optimizer, Mapping):
            return self.optimizer.get(network), rate, self.optimizer_options.get(network, {})
        return self.optimizer, rate, self.optimizer_options

    @property
    def names_optimizers(self) -> bool:
        """Whether each is a name, or layer rates of one that name no parts of the network, and none an object."""
        chosen = self.optimizer.values() if isinstance(self.optimizer, Mapping) else [self.optimizer]
        plain = (one.optimizer if isinstance(one, optimizers.LayerRates) and not one.factors else one for one in chosen)
        return all(isinstance(one, str) for one in plain)

    def network_problems(self, networks: Iterable[str]) -> list[str]:
        """Networks that the settings name and the model does not have."""
        told: list[Any] = [self.optimizer, self.learning_rate]
        told += [self.optimizer_options] if isinstance(self.optimizer, Mapping) else []
        names = {name: None for one in told if isinstance(one, Mapping) for name in one}
        return [unknown_name("network", name, networks) for name in names if name not in networks]

    def _optimizer_problems(self) -> list[str]:
        named = [one for one in (self.optimizer, self.learning_rate) if isinstance(one, Mapping)]
        names = list(dict.fromkeys(name for one in named for name in one)) if named else ["network"]
        if isinstance(self.optimizer, Mapping) and not self.optimizer:
            return ["An optimizer for at least one of the networks is needed, got none."]
        chosen = [self.optimizer_of(name) for name in names]
        found = [
            problem
            for choice, rate, options in chosen
            if choice is not None
            for problem in optimizers.problems(choice, rate, options)
        ]
        return list(dict.fromkeys(found))

    def _scheduled_values(self) -> frozenset[str] | None:
        """What a schedule may move in every one of the optimizers; None when only made ones tell."""
        if not isinstance(self.optimizer, Mapping):
            return optimizers.values_of(self.optimizer)
        found = [optimizers.values_of(one) for one in self.optimizer.values()]
        known = [one for one in found if one is not None]
        return frozenset.intersection(*known) if known and len(known) == len(found) else None

    def to_json(self) -> dict[str, Any]:
        """Names and numbers; what was given as an object is described and cannot be made again from here."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        described = {"optimizer": optimizers.to_json(self.optimizer), "schedule": schedules.to_json(self.schedule)}
        return {name: _plain(value) for name, value in (values | described).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingSettings | None:
        """The settings again; None when one of them was an object of the user's own."""
        if any(_is_own(value) for value in values.values()):
            return None
        described = {
            "optimizer": optimizers.from_json(values["optimizer"]),
            "schedule": schedules.from_json(values.get("schedule")),
        }
        return cls(**{**values, **described})


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
