"""Fail as soon as the loss is no number."""

from __future__ import annotations

import torch

from gradfleet.errors import DivergedError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class StopOnNaN(Callback):
    """Ends a fit at the first training loss that is NaN or infinite, before it reaches the weights.

    The fit fails: under a sweep the trial is FAIL, not one that stopped well. Looking at every loss makes the loop
    wait for the device once a batch.

    Raises:
        DivergedError: in a fit; batch and epoch are named.
    """

    priority = 40
    may_log = False

    def on_loss_end(self, context: Context) -> None:
        if context.loss is not None and not bool(torch.isfinite(context.loss.detach()).all()):
            raise DivergedError(
                f"The loss is {context.loss.item()} in batch {context.batch_number} of epoch {context.epoch}. "
                "Try a lower learning rate, clip_norm=1.0, or look for NaN in the inputs."
            )
