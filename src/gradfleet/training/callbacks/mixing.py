"""Batches whose rows are mixed in pairs, and the loss that goes with them."""

from __future__ import annotations

from abc import abstractmethod

import torch

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context
from gradfleet.training.step import split_batch


class Mixing(Callback):
    """The base of MixUp and CutMix. The loss of a row is `share` of its own and the rest of its partner's.

    Targets stay as they are, so that it works for every loss, and training metrics are against a row's own target.
    It is the model's own loss that is computed again for the partners, also where a step computes another.

    Args:
        alpha: shares are drawn from Beta(alpha, alpha): small ones mix little, 1 draws every share alike.

    Raises:
        SettingError: alpha is not above 0; or, in a fit, the inputs are no single tensor.
    """

    may_log = False

    def __init__(self, alpha: float) -> None:
        if not alpha > 0:
            raise SettingError(f"An alpha above 0 is needed, got {alpha!r}.")
        self.alpha = alpha
        self._share = 1.0
        self._partners: torch.Tensor | None = None

    @abstractmethod
    def mix(self, inputs: torch.Tensor, partners: torch.Tensor, share: float) -> tuple[torch.Tensor, float]:
        """The mixed inputs, and the share that a row's own has in them."""

    def on_batch_start(self, context: Context) -> None:
        inputs, targets = split_batch(context.batch)
        if not isinstance(inputs, torch.Tensor) or not isinstance(targets, torch.Tensor):
            name = type(self).__name__
            raise SettingError(f"{name} needs one tensor of inputs and one of targets, got {type(inputs).__name__}.")
        share = float(torch.distributions.Beta(self.alpha, self.alpha).sample())
        self._partners = torch.randperm(len(inputs)).to(inputs.device)
        mixed, self._share = self.mix(inputs, inputs[self._partners], share)
        context.batch = (mixed, targets)

    def on_forward_end(self, context: Context) -> None:
        """Listened to so that the outputs are known when the loss is there."""

    def on_loss_end(self, context: Context) -> None:
        if self._partners is not None and context.loss is not None:
            targets = context.rows_at_work(split_batch(context.batch)[1][self._partners])
            theirs = context.model.problem.compute_loss(context.outputs, targets)
            context.loss = self._share * context.loss + (1 - self._share) * theirs
