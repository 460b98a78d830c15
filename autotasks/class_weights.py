"""Class weights: rows of rare classes count for more in the loss."""

from __future__ import annotations

import torch
from torch.nn import functional

from gradfleet.training.callbacks import Callback
from gradfleet.training.context import Context


class ClassWeights(Callback):
    """Weighs each row's cross-entropy by how rare its class is among the training rows.

    Targets that are no class numbers, such as several labels a row, are not weighed.

    The counts are taken of the first epoch's batches. In a batch of mixed images only a row's own part is weighed.

    Args:
        strength: 0 counts every row alike, 1 every class; between them a row counts by its class's count to the power
            of -strength.
    """

    may_log = False
    priority = -1  # before what mixes rows and adds the partners' loss

    def __init__(self, *, strength: float = 0.0) -> None:
        self.strength = strength
        self._weights: torch.Tensor | None = None

    def on_epoch_start(self, context: Context) -> None:
        if self.strength and self._weights is None:
            targets = torch.cat([batch[1] for batch in context.training_batches()])
            if targets.is_floating_point():
                return
            counts = torch.bincount(targets).clamp(min=1)
            weights = counts.float() ** -self.strength
            self._weights = weights * counts.sum() / (weights * counts).sum()  # a row counts 1 on average

    def on_forward_end(self, context: Context) -> None:
        """Listened to so that the outputs are known when the loss is there."""

    def on_loss_end(self, context: Context) -> None:
        if self._weights is None or context.loss is None:
            return
        targets = context.rows_at_work(context.batch[1])
        weights = self._weights.to(targets.device)[targets]
        losses = functional.cross_entropy(context.outputs.float(), targets, reduction="none")
        context.loss = (weights * losses).mean()
