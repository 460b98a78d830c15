"""Penalties on the weights: L1 and L2."""

from __future__ import annotations

import fnmatch
from abc import abstractmethod
from collections.abc import Iterator

import torch

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class Penalty(Callback):
    """Adds `strength` times a sum over the trainable parameters to the loss; `train_loss` includes it.

    Args:
        only: a pattern that a parameter's name must match, such as "*.weight".

    Raises:
        SettingError: the strength is negative; or, in a fit, no parameter matches.
    """

    priority = 20  # after what changes the loss of the rows
    may_log = False

    def __init__(self, strength: float, *, only: str = "*") -> None:
        if not strength >= 0:
            raise SettingError(f"A strength of at least 0 is needed, got {strength!r}.")
        self.strength = strength
        self._only = only

    @abstractmethod
    def of(self, parameter: torch.Tensor) -> torch.Tensor:
        """The sum over one parameter."""

    def on_fit_start(self, context: Context) -> None:
        if not any(self._parameters(context)):
            raise SettingError(f"No trainable parameter is called {self._only!r}.")

    def on_loss_end(self, context: Context) -> None:
        if context.loss is not None:
            total = torch.stack([self.of(parameter) for _, parameter in self._parameters(context)]).sum()
            context.loss = context.loss + self.strength * total

    def _parameters(self, context: Context) -> Iterator[tuple[str, torch.Tensor]]:
        for network in context.model.networks.values():
            for name, parameter in network.named_parameters():
                if parameter.requires_grad and fnmatch.fnmatchcase(name, self._only):
                    yield name, parameter


class L1(Penalty):
    """The sum of absolute values, which drives weights to zero."""

    def of(self, parameter: torch.Tensor) -> torch.Tensor:
        return parameter.abs().sum()


class L2(Penalty):
    """The sum of squares. Its gradient is twice the weight, where SGD's `weight_decay` has it once."""

    def of(self, parameter: torch.Tensor) -> torch.Tensor:
        return parameter.square().sum()
