"""A fit that leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING

from gradfleet.training.history import History
from gradfleet.training.state.seeding import untouched_generators

if TYPE_CHECKING:
    from gradfleet.training.model import Model

_KEPT = ("epoch", "stop_reason", "labels", "batch_size", "_last_fit", "_problem")


@contextmanager
def leaving_no_trace(model: Model) -> Iterator[None]:
    """Afterwards model and random generators are as they were; what is asked to be saved meanwhile is not."""
    networks = {name: deepcopy(network.state_dict()) for name, network in model.networks.items()}
    optimizers = {name: deepcopy(optimizer.state_dict()) for name, optimizer in model.optimizers.items()}
    scaler = deepcopy(model.precision.scaler)
    modes = [(module, module.training) for network in model.networks.values() for module in network.modules()]
    kept = {name: getattr(model, name) for name in _KEPT}
    history = model.history
    model.history, model.is_dry = History(history), True
    try:
        with untouched_generators():
            yield
    finally:
        model.history, model.is_dry, model.precision.scaler = history, False, scaler
        for name, network in model.networks.items():
            network.load_state_dict(networks[name])
        for name, optimizer in model.optimizers.items():
            optimizer.load_state_dict(optimizers[name])
        for module, training in modes:
            module.training = training
        for name, value in kept.items():
            setattr(model, name, value)
        model.zero_grad()
