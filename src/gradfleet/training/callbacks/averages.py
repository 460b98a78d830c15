"""Averages of the weights over the steps or epochs of a fit, and when the model carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context

Weights = dict[str, torch.Tensor]


class WeightAverage(Callback):
    """The base of EMA and SWA, which say when `average` moves.

    Averaged are all parameters and buffers of floating point, such as the running statistics of batch norm.

    With `save` the model carries the average from the end of an epoch's training until the next one begins: whoever
    saves it meanwhile (Checkpoint, EarlyStopping, a caller of `epochs`) keeps the average, and after the fit it stays.

    Attributes:
        average: by the network's name and the weight's; empty until there is one. While the model carries the average
            these are the trained weights.
    """

    may_log = False

    def __init__(self, *, validate: bool, save: bool) -> None:
        self.average: dict[str, Weights] = {}
        self._validate, self._save = validate, save
        self._is_carried = False
        self._resumed = False

    def state(self) -> Mapping[str, Any]:
        return {"average": self.average, "is_carried": self._is_carried}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.average, self._is_carried = state["average"], state["is_carried"]
        self._resumed = True

    def on_fit_start(self, context: Context) -> None:
        if self._resumed:
            self._move_to(context)
        else:
            self.average, self._is_carried = {}, False
        self._resumed = False

    def on_epoch_start(self, context: Context) -> None:
        if self._is_carried:
            self._swap(context)

    def on_validation_start(self, context: Context) -> None:
        if self._validate:
            self._carry(context)

    def on_validation_end(self, context: Context) -> None:
        if self._is_carried and not self._save:
            self._swap(context)

    def on_epoch_end(self, context: Context) -> None:
        if self._save:
            self._carry(context)

    def on_fit_end(self, context: Context) -> None:
        if self._is_carried != self._save:
            self._swap(context)

    def _carry(self, context: Context) -> None:
        if not self._is_carried:
            self._swap(context)

    @torch.no_grad()
    def _swap(self, context: Context) -> None:
        """Exchange the model's weights and those that are held here."""
        if not self.average:
            return
        self._is_carried = not self._is_carried
        for name, weights in _weights(context).items():
            for key, own in weights.items():
                held = own.clone()
                own.copy_(self.average[name][key])
                self.average[name][key] = held

    @torch.no_grad()
    def _take(self, context: Context, share: float) -> None:
        """Move the average towards the weights by this share of the way; the first ones are taken as they are."""
        current = _weights(context)
        if not self.average:
            self.average = {name: {key: one.clone() for key, one in own.items()} for name, own in current.items()}
            return
        for name, own in current.items():
            torch._foreach_lerp_(list(self.average[name].values()), list(own.values()), share)

    def _move_to(self, context: Context) -> None:
        """After a resume, in the order and on the device of the model's own."""
        if self.average:
            self.average = {
                name: {key: context.model.held_as(one, self.average[name][key]) for key, one in own.items()}
                for name, own in _weights(context).items()
            }


def _weights(context: Context) -> dict[str, Weights]:
    return {
        name: {key: one for key, one in network.state_dict().items() if one.is_floating_point()}
        for name, network in context.model.networks.items()
    }
