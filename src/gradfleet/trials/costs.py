"""What a trained model costs: how large it is, and how long it takes to answer."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch

from gradfleet.data.loaders import make_batches
from gradfleet.data.prepared import Part
from gradfleet.training.inference import evaluating
from gradfleet.training.model import Model

COSTS = ("latency_ms", "num_parameters")

_WARM_UP = 2
_PASSES = (3, 30)  # at least and at most
_SECONDS = 0.1  # after the least passes


def costs(model: Model, data: Part | None) -> dict[str, float]:
    """`num_parameters`, frozen ones included, and `latency_ms`.

    The latency is the median time of one row's way through the network in eval mode, on the device and with the
    threads that trained it, until its outputs are on the CPU; a DataLoader gives a batch of its own instead of a row.
    It is measured, so it varies from time to time, and with what else the machine does. A model that predicts nothing,
    such as one of several networks, has none, nor has one without data.
    """
    parameters = {parameter for network in model.networks.values() for parameter in network.parameters()}
    size = {"num_parameters": float(sum(parameter.numel() for parameter in parameters))}
    if data is None:
        return size
    batches = make_batches(data, batch_size=1, shuffle=False, seed=0, device=model.device)
    generators = batches.state()
    try:
        with evaluating(model):
            return size | {"latency_ms": 1000 * _latency(model, next(batches.epoch(0)))}
    except Exception:  # its own `predict_step`, or none at all; that a model does not predict fails no training
        return size
    finally:
        batches.load_state(generators)


def _latency(model: Model, batch: Any) -> float:
    """The median time of a pass, in seconds."""
    for _ in range(_WARM_UP):
        _pass(model, batch)
    times: list[float] = []
    least, most = _PASSES
    if model.sharding is not None:  # all processes pass as often
        most = least
    until = time.perf_counter() + _SECONDS
    while len(times) < least or (len(times) < most and time.perf_counter() < until):
        started = time.perf_counter()
        _pass(model, batch)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _pass(model: Model, batch: Any) -> None:
    outputs = model.predict_step(batch)
    if isinstance(outputs, torch.Tensor):
        outputs.cpu()  # waits for the device
