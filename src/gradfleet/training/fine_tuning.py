"""Fine-tuning: a new head on a network that has learned something else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from torch.optim import Optimizer

from gradfleet.data.loaders import Source
from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.history import History
from gradfleet.training.networks.freezing import Patterns, Statistics, freeze, layers_of, unfreeze
from gradfleet.training.optimizers.layer_rates import LayerRates

if TYPE_CHECKING:
    from gradfleet.training.model import Model


def fine_tune(
    model: Model,
    data: Source,
    validation: Source | None = None,
    *,
    epochs: int,
    head: Patterns | None = None,
    head_epochs: int = 1,
    rate_factor: float = 0.5,
    decay: float = 1 / 2.6,
    statistics: Statistics = "freeze",
    batch_size: int = 32,
    callbacks: Iterable[Callback] = (),
    seed: int = 0,
) -> History:
    """Train the head alone, then everything at lower rates.

    The model must be compiled, with an optimizer by name or class; it is compiled anew for the second phase, and stays
    so. The history holds the epochs of both phases.

    Args:
        epochs: of the second phase.
        head: names the parts that are new (see `freezing.freeze`); the last layer when it is None.
        head_epochs: of the first phase, in which nothing else moves.
        rate_factor: of the learning rate, in the second phase (fastai's is a half).
        decay: of the rates from layer to layer towards the input, in the second phase (Howard and Ruder's 2018 is
            1 / 2.6).
        statistics: of BatchNorm layers in the first phase.
        callbacks: of both phases.

    Raises:
        SettingError: the model is not compiled, has several networks, or its optimizer is no name or class.
    """
    settings = model.settings
    chosen = settings.optimizer
    if len(model.networks) > 1:
        raise SettingError("fine_tune is for a model of one network; freeze and fit those of several by hand.")
    if not isinstance(chosen, str) and not (isinstance(chosen, type) and issubclass(chosen, Optimizer)):
        raise SettingError(f"fine_tune makes the optimizer anew; give compile its name or class, not {chosen!r}.")
    network, given = model.network, list(callbacks)
    freeze(network, statistics=statistics)
    unfreeze(network, head if head is not None else [name.replace("[", "[[]") for name in layers_of(network)[-1][1]])
    if head_epochs:
        model.fit(data, validation, epochs=head_epochs, batch_size=batch_size, callbacks=given, seed=seed)
    unfreeze(network)
    rate = max(float(group["lr"]) for group in model._optimizers.rates["network"]) * rate_factor
    model._compile_as(replace(settings, optimizer=LayerRates(chosen, decay=decay), learning_rate=rate))
    return model.fit(data, validation, epochs=epochs, batch_size=batch_size, callbacks=given, seed=seed)
