"""An estimator's parameters, checked all at once when a fit begins: sklearn's constructors only keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError
from gradfleet.sklearn.network import NetworkChoice
from gradfleet.sklearn.parameters import NESTED
from gradfleet.sklearn.targets import kinds_of
from gradfleet.training.settings import TrainingSettings

_COMPILED = (
    "loss",
    "optimizer",
    "learning_rate",
    "optimizer_options",
    "metrics",
    "schedule",
    "precision",
    "clip_norm",
)


def check(params: Mapping[str, Any], kind: Kind) -> tuple[NetworkChoice, dict[str, Any]]:
    """The network to make, and the arguments of `Model.compile`.

    Raises:
        SettingError: with every problem that there is.
    """
    params = {name: _plain(value) for name, value in params.items()}
    found = _own_problems(params)
    params |= {holder: params[holder] if isinstance(params[holder], Mapping) else {} for holder in NESTED.values()}
    choice = NetworkChoice(params["network"], params["network_options"])
    compiling = {name: params[name] for name in _COMPILED} | {"kind": kind}
    found += [*_settings_problems(compiling), *_loss_problems(params["loss"], kind), *choice.problems()]
    if found:
        raise SettingError(found)
    return choice, compiling


def _plain(value: Any) -> Any:
    """Numbers that a search has drawn with NumPy as Python's own, which is what settings are checked for."""
    if isinstance(value, np.generic):
        return value.item()
    return {key: _plain(one) for key, one in value.items()} if type(value) is dict else value


def _own_problems(params: Mapping[str, Any]) -> list[str]:
    """Why those that are neither the network's nor the Model's cannot be."""
    found = [
        f"{name} must be a whole number of at least {least}, got {params[name]!r}."
        for name, least in {"epochs": 0, "batch_size": 1, "seed": 0}.items()
        if type(params[name]) is not int or params[name] < least
    ]
    fraction = params["validation_fraction"]
    if fraction is not None and not (isinstance(fraction, int | float) and 0 < fraction < 1):
        found.append(f"validation_fraction must be between 0 and 1, or None, got {fraction!r}.")
    callbacks = params["callbacks"]
    if callbacks is not None and not isinstance(callbacks, list | tuple):
        found.append(f"callbacks must be a list of callbacks, got {callbacks!r}.")
    found += _device_problems(params["device"])
    found += [
        f"{holder} must be a dict of options by name, got {params[holder]!r}."
        for holder in NESTED.values()
        if params[holder] is not None and not isinstance(params[holder], Mapping)
    ]
    return found


def _loss_problems(loss: Any, kind: Kind) -> list[str]:
    possible = kinds_of(loss)
    if not possible or kind in possible:
        return []
    if kind == "multiclass" and "binary" in possible:
        return [f"Only binary classification is supported by the loss {loss!r}; y has more than two classes."]
    return [f"The loss {loss!r} is for {' and '.join(possible)} problems, and this is a {kind} one."]


def _device_problems(device: Any) -> list[str]:
    try:
        torch.device("cpu" if device is None else device)
    except (RuntimeError, TypeError):
        return [f"device is a name such as 'cpu' or 'cuda:0', got {device!r}."]
    return []


def _settings_problems(compiling: Mapping[str, Any]) -> list[str]:
    if isinstance(compiling["optimizer"], Optimizer):
        return ["An optimizer that is made already belongs to one network; give its name, its class or a factory."]
    try:
        TrainingSettings(**compiling)
    except SettingError as error:
        return list(error.problems)
    return []
