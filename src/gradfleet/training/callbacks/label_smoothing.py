"""Label smoothing: https://arxiv.org/abs/1512.00567"""

from __future__ import annotations

import torch

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class LabelSmoothing(Callback):
    """Trains as if a part of every label belonged to all classes alike; validation is left as it is.

    Equal to the `label_smoothing` of torch's cross entropy, and it may be searched, scheduled and mixed with MixUp.

    Args:
        smoothing: that part, from 0 to below 1.

    Raises:
        SettingError: the part cannot be; or, in a fit, the outputs are no rows of classes.
    """

    priority = 10  # after what mixes labels
    may_log = False

    def __init__(self, smoothing: float = 0.1) -> None:
        if not 0 <= smoothing < 1:
            raise SettingError(f"A smoothing of at least 0 and below 1 is needed, got {smoothing!r}.")
        self.smoothing = smoothing

    def on_forward_end(self, context: Context) -> None:
        """Listened to so that the outputs are known when the loss is there."""

    def on_loss_end(self, context: Context) -> None:
        if context.model.kind != "multiclass":
            raise SettingError(f"LabelSmoothing is for multiclass problems, and this one is {context.model.kind}.")
        if context.loss is not None:
            uniform = -torch.log_softmax(context.outputs, dim=1).mean()
            context.loss = (1 - self.smoothing) * context.loss + self.smoothing * uniform
