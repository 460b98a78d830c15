"""An exponential moving average of the weights."""

from __future__ import annotations

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.averages import WeightAverage
from gradfleet.training.context import Context


class EMA(WeightAverage):
    """After every step `average = decay * average + (1 - decay) * weights`, beginning with the weights before it.

    Args:
        decay: about 1 - 1 / (the number of steps that it looks back).
        validate: whether the average is what is validated.
        save: whether the average is what checkpoints keep, and what the model has after the fit.

    Raises:
        SettingError: the decay is not between 0 and 1.
    """

    def __init__(self, decay: float = 0.999, *, validate: bool = True, save: bool = True) -> None:
        if not 0 <= decay < 1:
            raise SettingError(f"A decay of at least 0 and below 1 is needed, got {decay!r}.")
        super().__init__(validate=validate, save=save)
        self.decay = decay

    def on_fit_start(self, context: Context) -> None:
        super().on_fit_start(context)
        if not self.average:
            self._take(context, 1.0)

    def on_step_end(self, context: Context) -> None:
        self._take(context, 1 - self.decay)
