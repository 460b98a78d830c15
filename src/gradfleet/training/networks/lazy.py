"""Lazy layers, such as `nn.LazyLinear`, whose weights take their shapes from the first batch that they see."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from torch.nn.parameter import is_lazy

from gradfleet.training.inference import evaluating, first_batch

if TYPE_CHECKING:
    from gradfleet.data.loaders import Batches
    from gradfleet.training.model import Model


def shape_lazy_layers(model: Model, batches: Batches) -> None:
    """Give the weights that have no shape yet theirs, by predicting the first batch; nothing is learned from it.

    Their first values are drawn from torch's global generator, which is afterwards where it was.
    """
    weights = chain.from_iterable(chain(one.parameters(), one.buffers()) for one in model.networks.values())
    if any(is_lazy(one) for one in weights):
        with evaluating(model):
            model.predict_step(first_batch(batches))
