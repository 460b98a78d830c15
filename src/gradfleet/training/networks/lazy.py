"""Lazy layers, such as `nn.LazyLinear`, whose weights take their shapes from the first batch that they see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradfleet.training.inference import evaluating, first_batch
from gradfleet.training.networks import compilation

if TYPE_CHECKING:
    from gradfleet.data.loaders import Batches
    from gradfleet.training.model import Model


def shape_lazy_layers(model: Model, batches: Batches) -> None:
    """Give the weights that have no shape yet theirs, by predicting the first batch; nothing is learned from it.

    Their first values are drawn from torch's global generator, which is afterwards where it was.
    """
    if any(compilation.has_lazy_weights(one) for one in model.networks.values()):
        with evaluating(model):
            model.predict_step(first_batch(batches))
        if model.is_compiled and model.settings.channels_last:
            for network in model.networks.values():
                compilation.lay_out_channels_last(network)
