"""How long a network trains: measured on a few batches, before it begins."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn

from autotasks.backbones import in_eval_mode, usual_device
from gradfleet.tasks import TextInputs

_ROWS = 16  # of a batch that is measured
_PLACES = (0.5, 1 / 6, 0.5, 5 / 6)
"""Where in the rows, sorted by length, each batch lies; the first is to warm up and does not count."""
_REST = 1.2  # the optimizer's step, validation and checkpoints beside forward and backward


def seconds_an_epoch(network: nn.Module, inputs: TextInputs) -> float:
    """Of training, by the wall time of batches of short, middling and long texts, forward and backward.

    In eval mode, so that nothing random is drawn and the trial trains as if nothing had been measured.
    """
    order, device = inputs.lengths.argsort(stable=True), usual_device()
    network.to(device)
    took = [_seconds(network, inputs.take(_around(order, place)), device) for place in _PLACES][1:]
    network.zero_grad(set_to_none=True)
    return _REST * sum(took) / len(took) * len(inputs) / min(_ROWS, len(inputs))


def _around(order: torch.Tensor, place: float) -> torch.Tensor:
    first = int(place * max(0, len(order) - _ROWS))
    return order[first : first + _ROWS]


def _seconds(network: Any, batch: dict[str, torch.Tensor], device: torch.device) -> float:
    started = time.perf_counter()
    with in_eval_mode(network):
        network(**{name: part.to(device) for name, part in batch.items()}).sum().backward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
