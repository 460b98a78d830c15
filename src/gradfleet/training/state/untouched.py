"""Trying something out on a model, and leaving it as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gradfleet.training.history import History
from gradfleet.training.state.seeding import untouched_generators

if TYPE_CHECKING:
    from gradfleet.training.model import Model


@contextmanager
def untouched(model: Model) -> Iterator[None]:
    """Whatever happens inside leaves the model and the global random generators as they were.

    That is: weights, buffers, gradients, the modes of modules, which parameters are frozen, optimizers, the scaler of
    fp16, and every attribute of the model itself. Copies lie on the CPU, so that they take no memory from the device.
    """
    attributes = dict(vars(model))
    tensors = [(tensor, _copy(tensor)) for tensor in _tensors(model)]
    parameters = [(one, one.requires_grad, one.grad, _copy(one.grad)) for one in _parameters(model)]
    modes = [(module, module.training) for network in model.networks.values() for module in network.modules()]
    optimizers = [(one, _copy(one.state_dict())) for one in model.optimizers.values()]
    scaler = model.precision.scaler
    scale = copy.deepcopy(scaler.state_dict()) if scaler is not None else None
    model.history = History(model.history)
    try:
        with untouched_generators():
            yield
    finally:
        vars(model).clear()
        vars(model).update(attributes)
        with torch.no_grad():
            for tensor, value in tensors:
                tensor.copy_(value)
            for parameter, trained, gradient, value in parameters:
                parameter.requires_grad_(trained)
                parameter.grad = gradient.copy_(value) if gradient is not None else None
        for module, training in modes:
            module.training = training
        for optimizer, state in optimizers:
            optimizer.load_state_dict(state)
        if scaler is not None and scale is not None:
            scaler.load_state_dict(scale)


def _tensors(model: Model) -> Iterator[torch.Tensor]:
    """Buffers that no checkpoint has, included."""
    for network in model.networks.values():
        yield from chain(network.parameters(), network.buffers())


def _parameters(model: Model) -> Iterator[nn.Parameter]:
    for network in model.networks.values():
        yield from network.parameters()


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else copy.copy(value)
