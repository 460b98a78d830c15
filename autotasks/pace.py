"""How fast a network learns here: seconds of a training step a row, measured on rows of noise."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

_PIXELS = 32 * 3 * 64 * 64  # at most in a batch, so that a large network is not measured for long
_STEPS = 2  # at least; one more comes before them


def seconds_a_row(
    build: Callable[[], nn.Module], input_shape: tuple[int, ...], *, threads: int, gpu: bool, seconds: float = 0.2
) -> float:
    """Of one step forth and back on uint8 images of this shape, with what else the machine does at the moment.

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
        _step(network, images)
        times: list[float] = []
        while len(times) < _STEPS or sum(times) < seconds:  # the mean, because other processes slow some steps
            times.append(_step(network, images))
    return statistics.fmean(times) / rows


def _step(network: nn.Module, images: torch.Tensor) -> float:
    started = time.perf_counter()
    outputs = network(images.contiguous(memory_format=torch.channels_last))
    targets = torch.zeros(len(images), dtype=torch.long, device=images.device)
    loss = functional.cross_entropy(outputs, targets)
    loss.backward()  # type: ignore[no-untyped-call]
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
