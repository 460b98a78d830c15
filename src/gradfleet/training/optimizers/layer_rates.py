"""Learning rates of their own for the layers of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from torch import nn
from torch.optim import Optimizer

from gradfleet.errors import SettingError
from gradfleet.training.data_network import DataNetwork
from gradfleet.training.networks.freezing import layers_of, named_parameters


@dataclass(frozen=True, slots=True)
class LayerRates:
    """An optimizer that has a group of parameters for each learning rate: for `compile(optimizer=...)`.

    Args:
        optimizer: a name or a class.
        decay: each layer's rate is this times that of the layer after it, and the last layer has the learning rate
            itself. See `freezing.layers_of` for what a layer is.
        factors: of the learning rate, by the pattern of a part's name (see `freezing.freeze`); the first that fits
            counts and is taken beside the decay. 0 is for freezing, so it is refused. A `DataNetwork` may bring its
            own, which count beside both.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> [group["lr"] for group in LayerRates("sgd", decay=0.5).groups(network, 1.0)]
        [0.5, 1.0]

    Raises:
        SettingError: the decay or a factor is not above 0.
    """

    optimizer: str | type[Optimizer] = "adamw"
    decay: float = 1.0
    factors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = {"decay": self.decay, **{f"the factor of {name!r}": value for name, value in self.factors.items()}}
        if found := [
            f"{name} must be above 0, got {value!r}." for name, value in values.items() if not _is_above_0(value)
        ]:
            raise SettingError(found)

    def groups(self, network: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
        """The parameters in groups of one rate each, in the network's order."""
        layers = layers_of(network)
        rates = {
            name: learning_rate * self.decay ** (len(layers) - 1 - depth)
            for depth, (_, names) in enumerate(layers)
            for name in names
        }
        factors: dict[str, float] = {}
        for pattern, factor in self.factors.items():
            for name in named_parameters(network, pattern):
                factors.setdefault(name, factor)
        own = network.rate_factors() if isinstance(network, DataNetwork) else {}
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            rate = rates.get(name, learning_rate) * factors.get(name, 1.0) * own.get(name, 1.0)
            groups.setdefault(rate, []).append(parameter)
        return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]


def _is_above_0(value: object) -> bool:
    return isinstance(value, Real) and float(value) > 0
