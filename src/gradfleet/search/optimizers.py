"""Which optimizer a configuration names, and the torch optimizers that a name can mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gradfleet.errors import SpaceError, unknown_name
from gradfleet.search.suggester import Value


@dataclass(frozen=True, slots=True)
class OptimizerChoice:
    """The optimizer that a configuration names.

    Attributes:
        name: the name that it is registered under.
        factory: a class, a function of parameters and options, or another known name; None when `name` is known itself.
        learning_rate: None leaves it to the optimizer.
        options: its other dimensions by name.
        network: the name of the network that it steps; None for all.
    """

    name: str
    factory: Callable[..., Any] | str | None = None
    learning_rate: float | None = None
    options: Mapping[str, Value] = field(default_factory=dict)
    network: str | None = None


def known_optimizer(name: str) -> type:
    """The torch optimizer of this name in lower case.

    Raises:
        SpaceError: there is none.
    """
    import torch  # Heavy, and a space that is only read needs none of it.

    optimizers = {
        each.__name__.lower(): each
        for each in vars(torch.optim).values()
        if isinstance(each, type) and issubclass(each, torch.optim.Optimizer) and each is not torch.optim.Optimizer
    }
    if name not in optimizers:
        raise SpaceError(
            f"{unknown_name('optimizer', name, optimizers)} "
            f"To use another, pass what makes it: tuner.optimizer({name!r}, MyOptimizer, ...)."
        )
    return optimizers[name]
