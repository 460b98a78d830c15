"""Optimizers by name, class, factory or instance, and their default learning rates."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from gradfleet.errors import unknown_name
from gradfleet.training.optimizers.layer_rates import LayerRates
from gradfleet.training.optimizers.values import known_values

OptimizerFactory = Callable[..., Optimizer]
OptimizerChoice = str | type[Optimizer] | Optimizer | LayerRates | OptimizerFactory

OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

LEARNING_RATES: Mapping[str, float] = {
    "adadelta": 1.0,  # Zeiler 2012 has no rate at all, which is a factor of 1; torch's default
    "adagrad": 1e-2,  # torch's default
    "adam": 1e-3,  # Kingma and Ba 2015, algorithm 1
    "adamax": 2e-3,  # Kingma and Ba 2015, algorithm 2
    "adamw": 1e-3,  # torch's default, which is Adam's
    "nadam": 2e-3,  # Dozat 2016; torch's default
    "radam": 1e-3,  # Liu et al. 2020; torch's default
    "rmsprop": 1e-3,  # what Ruder 2016 (section 4.5) reports from Hinton's lecture; torch's default is 0.01
    "sgd": 1e-2,  # Keras' default; torch's 0.001 crawls without momentum
}

_FUSED = {torch.optim.Adagrad, torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD}


def problems(
    choice: OptimizerChoice, learning_rate: float | None, options: Mapping[str, Any], *, given_once: bool = True
) -> list[str]:
    """Why these settings cannot make an optimizer; empty when they can."""
    if isinstance(choice, LayerRates):
        return problems(choice.optimizer, learning_rate, options)
    found = []
    if isinstance(choice, str) and choice not in OPTIMIZERS:
        found.append(unknown_name("optimizer", choice, OPTIMIZERS))
    elif isinstance(choice, Optimizer):
        if learning_rate is not None or options:
            found.append("An optimizer that is made already takes no learning_rate and no optimizer_options.")
        if not given_once:
            found.append("One optimizer cannot serve several networks; give its name or class.")
    elif not callable(choice) and not isinstance(choice, str):
        found.append(f"An optimizer is a name, a class, a factory or an instance, got {choice!r}.")
    elif not isinstance(choice, str) or choice in OPTIMIZERS:
        found += _option_problems(choice, options)
    if learning_rate is not None and not (isinstance(learning_rate, Real) and 0 < learning_rate < float("inf")):
        found.append(f"A learning rate above 0 is needed, got {learning_rate!r}.")
    return found or _value_problems(choice, learning_rate, options)


def values_of(choice: OptimizerChoice) -> frozenset[str] | None:
    """The names of the values that a schedule may move; None when only the made optimizer tells."""
    if isinstance(choice, LayerRates):
        return values_of(choice.optimizer)
    if isinstance(choice, Optimizer):
        return known_values(choice.param_groups[0])
    if not isinstance(choice, str) or choice not in OPTIMIZERS:
        return None
    # None is made: the first one of a process loads torch's compiler, which takes a second.
    return known_values({one.name: one.default for one in inspect.signature(OPTIMIZERS[choice]).parameters.values()})


def build(
    choice: OptimizerChoice, network: nn.Module, learning_rate: float | None, options: Mapping[str, Any]
) -> Optimizer:
    """The optimizer of a network's parameters.

    Adam, AdamW, Adagrad and SGD run fused where every parameter is whole and on CPU or CUDA: the same rule in one
    call, which takes a quarter off a small network's step. `optimizer_options={"fused": False}` switches it off.
    """
    if isinstance(choice, Optimizer):
        return choice
    layers = choice if isinstance(choice, LayerRates) else None
    choice = layers.optimizer if layers is not None else choice
    settings = dict(options)
    rate = learning_rate if learning_rate is not None or not isinstance(choice, str) else LEARNING_RATES[choice]
    if rate is not None:
        settings["lr"] = rate
    factory: Any = OPTIMIZERS[choice] if isinstance(choice, str) else choice
    parameters = list(network.parameters())
    if factory in _FUSED and "foreach" not in settings and _can_fuse(parameters):
        settings.setdefault("fused", True)
    groups: Any = parameters
    if layers is not None:
        highest = settings["lr"] if "lr" in settings else inspect.signature(factory).parameters["lr"].default
        groups = layers.groups(network, highest)
    made: Optimizer = factory(groups, **settings)
    return made


def to_json(choice: Any) -> Any:
    """Names, and layer rates of named optimizers, as JSON; what else there is stays what it is."""
    if isinstance(choice, LayerRates) and isinstance(choice.optimizer, str):
        return {"layer_rates": choice.optimizer, "decay": choice.decay, "factors": dict(choice.factors)}
    return {name: to_json(one) for name, one in choice.items()} if isinstance(choice, Mapping) else choice


def from_json(values: Any) -> Any:
    """What `to_json` was given."""
    if not isinstance(values, Mapping):
        return values
    if "layer_rates" in values:
        return LayerRates(values["layer_rates"], values["decay"], values["factors"])
    return {name: from_json(one) for name, one in values.items()}


def _value_problems(choice: OptimizerChoice, learning_rate: float | None, options: Mapping[str, Any]) -> list[str]:
    """What the optimizer itself says of its options' values; factories are the user's code and are not called."""
    if not isinstance(choice, str) or not options:
        return []
    rate = LEARNING_RATES[choice] if learning_rate is None else learning_rate
    try:
        _without_parameters(OPTIMIZERS[choice])([torch.zeros(1, 1)], lr=rate, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        return [f"The optimizer {choice} refuses its options: {error}."]
    return []


def _without_parameters(optimizer: Any) -> Any:
    """The class, but no parameter is taken in: that loads torch's compiler, which takes a second or more."""
    return type(optimizer.__name__, (optimizer,), {"add_param_group": lambda self, group: None})


def _can_fuse(parameters: Sequence[nn.Parameter]) -> bool:
    plain = [one for one in parameters if type(one.data) is torch.Tensor and one.device.type in ("cpu", "cuda")]
    return len(plain) == len(parameters) and all(one.is_floating_point() for one in plain)


def _option_problems(choice: OptimizerChoice, options: Mapping[str, Any]) -> list[str]:
    factory: Any = OPTIMIZERS[choice] if isinstance(choice, str) else choice
    try:
        signature = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return []
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in signature.values()):
        return []
    name = choice if isinstance(choice, str) else getattr(choice, "__name__", "the optimizer")
    known = [option for option in signature if option not in ("params", "lr")]
    found = [unknown_name(f"option of {name}", option, known) for option in options if option not in (*known, "lr")]
    if "lr" in options:
        found.append("Give the learning rate as learning_rate=, not as the option 'lr'.")
    return found
