"""Learning rates among the numbers of an epoch."""

from __future__ import annotations

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class LearningRateMonitor(Callback):
    """Records the learning rate that an epoch ended with as `learning_rate`.

    A model of several optimizers has `learning_rate_<name>`; further parameter groups `..._1`, `..._2`.
    """

    def on_train_end(self, context: Context) -> None:
        optimizers = context.model.optimizers
        for name, optimizer in optimizers.items():
            base = "learning_rate" if len(optimizers) == 1 else f"learning_rate_{name}"
            for number, group in enumerate(optimizer.param_groups):
                context.log(f"{base}_{number}" if number else base, float(group["lr"]))
