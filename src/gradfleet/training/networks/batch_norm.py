"""The running statistics of batch normalisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def learning_norms(network: nn.Module) -> list[_NormBase]:
    """The layers whose statistics follow the data; those that are frozen in eval mode do not."""
    found = [module for module in network.modules() if isinstance(module, _NormBase)]
    return [layer for layer in found if layer.track_running_stats and layer.training]


@contextmanager
def fresh_statistics(layers: Sequence[_NormBase]) -> Iterator[None]:
    """Whatever goes through the network inside gives these layers their statistics: the mean over its batches."""
    before = [(layer, layer.momentum, _count(layer)) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for the plain mean of all batches
    try:
        yield
    finally:
        for layer, momentum, count in before:
            layer.momentum = momentum
            if count is not None and layer.num_batches_tracked is not None:
                layer.num_batches_tracked.copy_(count)


def _count(layer: _NormBase) -> torch.Tensor | None:
    return None if layer.num_batches_tracked is None else layer.num_batches_tracked.clone()
