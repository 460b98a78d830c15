"""How fast a network learns here, measured on a few batches: of noise before a search, of the data before a fit."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from autotasks.backbones import in_eval_mode, usual_device
from gradfleet.tasks import TextInputs

_PIXELS = 32 * 3 * 64 * 64  # at most in a batch, so that a large network is not measured for long
_STEPS = 2  # on images at least; one more comes before them
_TEXTS = 16  # of a batch that is measured
_PLACES = (0.5, 1 / 6, 0.5, 5 / 6)
"""Where in the texts, sorted by length, each batch lies; the first is to warm up and does not count."""
_REST = 1.2  # the optimizer's step, validation and checkpoints beside forward and backward


def seconds_a_row(
    build: Callable[[], nn.Module], input_shape: tuple[int, ...], *, threads: int, gpu: bool, seconds: float = 0.2
) -> float:
    """Of a step forth and back on uint8 images of this shape, with what else the machine does at the moment.

    Args:
        gpu: whether trials have one; it is used where this process sees it.
        seconds: how long steps are measured for, at least.
    """
    device = torch.device("cuda" if gpu and torch.cuda.is_available() else "cpu")
    rows = max(4, min(64, _PIXELS // math.prod(input_shape)))
    with _threads(threads), torch.random.fork_rng(devices=[]):
        network = build().to(device).train()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's own types
        images = torch.randint(0, 256, (rows, *input_shape), dtype=torch.uint8, device=device)
        images = images.contiguous(memory_format=torch.channels_last)

        def step() -> float:
            return _seconds(lambda: network(images), device)

        step()
        times: list[float] = []
        while len(times) < _STEPS or sum(times) < seconds:  # the mean, because other processes slow some steps
            times.append(step())
    return statistics.fmean(times) / rows


def seconds_an_epoch(network: nn.Module, inputs: TextInputs) -> float:
    """Of training on batches of short, middling and long texts.

    In eval mode, so that nothing random is drawn and the trial trains as if nothing had been measured.
    """
    order, device = inputs.lengths.argsort(stable=True), usual_device()
    network.to(device)

    def step(place: float) -> float:
        first = int(place * max(0, len(order) - _TEXTS))
        batch = inputs.take(order[first : first + _TEXTS])
        return _seconds(lambda: network(**{name: part.to(device) for name, part in batch.items()}), device)

    with in_eval_mode(network):
        took = [step(place) for place in _PLACES][1:]
    network.zero_grad(set_to_none=True)
    return _REST * statistics.fmean(took) * len(inputs) / min(_TEXTS, len(inputs))


def _seconds(forward: Callable[[], torch.Tensor], device: torch.device) -> float:
    """Wall time of one pass forth and back."""
    started = time.perf_counter()
    loss: Any = forward().sum()
    loss.backward()
    wait_for(device)
    return time.perf_counter() - started


def wait_for(device: torch.device) -> None:
    """Until it has done what it was told: a GPU works on while its times would be taken."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
