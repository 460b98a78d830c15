"""Trying out learning rates and batch sizes on a model, which is afterwards as it was."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch.utils.data import DataLoader

from gradfleet.data.loaders import Batches, Source, Split, make_batches, split_of
from gradfleet.errors import SettingError
from gradfleet.training.batches.memory import free_memory, is_out_of_memory
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context
from gradfleet.training.networks.lazy import shape_lazy_layers
from gradfleet.training.schedules.curves import Curve, exponential
from gradfleet.training.schedules.parts import CurvePart
from gradfleet.training.state.seeding import seed_everything
from gradfleet.training.state.untouched import untouched
from gradfleet.training.step import as_step

if TYPE_CHECKING:
    import pandas

    from gradfleet.training.model import Model

_SMOOTHING = 0.9  # of the running mean, which starts unbiased; fastai's 0.98 lags half a decade behind in 100 steps
_DIVERGED = 4.0  # fastai's: the loss is this many times the best one


@dataclass(frozen=True, slots=True)
class LearningRates:
    """What `find_learning_rate` saw.

    Attributes:
        rates: one for each step that was taken, rising.
        losses: the running mean of the loss at that rate.
        suggestion: a tenth of the rate with the lowest loss (fastai's "minimum"): there the loss still falls.
        diverged: whether the loss left for the sky before the highest rate was reached.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float
    diverged: bool

    def to_frame(self) -> pandas.DataFrame:
        """One row a step: `learning_rate` and `loss`."""
        import pandas

        return pandas.DataFrame({"learning_rate": self.rates, "loss": self.losses})

    def plot(self, path: Path | str) -> Path:
        """Write a picture of the losses over the rates, with the suggestion marked; a PNG, or what the name ends with.

        Raises:
            SettingError: matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise SettingError('A plot needs matplotlib: pip install "gradfleet[plots]".') from None
        figure = Figure(figsize=(6, 4), layout="constrained")  # no pyplot: it keeps every figure, and asks for a screen
        axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="loss")
        axes.plot(self.rates, self.losses)
        axes.axvline(self.suggestion, linestyle="--", color="grey", label=f"suggestion {self.suggestion:.2g}")
        axes.legend()
        figure.savefig(path)
        return Path(path)


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """What `find_batch_size` saw.

    Attributes:
        tried: every size with whether it fitted, in the order in which they were tried.
        suggestion: the largest that fitted.
    """

    tried: tuple[tuple[int, bool], ...]
    suggestion: int


def find_learning_rate(
    model: Model,
    data: Source,
    *,
    lowest: float = 1e-7,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
    seed: int = 0,
) -> LearningRates:
    """Train a compiled model for a few steps, each at a higher learning rate, until the loss diverges (Smith 2017).

    The model, its optimizers, the data's own generators and all global ones are afterwards as they were. The model's
    own schedule does not apply meanwhile. Several networks are tried at the same rate.

    Args:
        steps: from `lowest` to `highest`, each the same factor above the one before; the data is begun anew as often
            as that takes.

    Raises:
        SettingError: the model is not compiled, an argument cannot be, or the loss never falls.
    """
    if not 0 < lowest < highest < math.inf:
        raise SettingError(f"Rates to try rise from above 0, got lowest={lowest} and highest={highest}.")
    if steps < 10:
        raise SettingError(f"At least 10 steps are needed to see a slope, got {steps}.")
    settings = model.settings
    parts = split_of(data)
    batches = make_batches(parts.train, batch_size=batch_size, shuffle=True, seed=seed, device=model.device)
    generators = batches.state()
    shape_lazy_layers(model, batches)
    climb = _Climb(exponential(lowest, highest), steps)
    try:
        with untouched(model):
            model._settings = replace(settings, schedule=None, metrics=[])
            train = Split(parts.train, facts=parts.facts)
            model.fit(train, epochs=steps, batch_size=batch_size, seed=seed, callbacks=[climb], progress=False)
    finally:
        batches.load_state(generators)
    return climb.result()


def find_batch_size(
    model: Model, data: Source, *, smallest: int = 2, largest: int = 65536, steps: int = 3
) -> BatchSizes:
    """Double the batch size until memory runs out or all rows are in one batch; the largest that fitted.

    Each size trains for a few steps, so that optimizers have what they keep for each weight. The model and all
    generators are afterwards as they were.

    Args:
        smallest: the first to be tried; batch normalisation cannot train on one row.

    Raises:
        SettingError: an argument cannot be, not even the smallest size fits, or the data makes batches of its own.
    """
    if not 1 <= smallest <= largest:
        raise SettingError(f"Sizes to try rise from at least 1, got smallest={smallest} and largest={largest}.")
    parts = split_of(data)
    if isinstance(parts.train, DataLoader):
        raise SettingError("A DataLoader has a batch size of its own; give find_batch_size its dataset.")
    tried: list[tuple[int, bool]] = []
    size, everything = smallest, False
    shape_lazy_layers(model, make_batches(parts.train, batch_size=2, shuffle=False, seed=0, device=model.device))
    while size <= largest and not everything and all(fits for _, fits in tried):
        with untouched(model):
            seed_everything(0)
            batches = make_batches(parts.train, batch_size=size, shuffle=True, seed=0, device=model.device)
            everything = batches.num_batches == 1
            tried.append((size, _fits(model, batches, steps)))
        size *= 2
    fitting = [size for size, fits in tried if fits]
    if not fitting:
        raise SettingError(f"Not even a batch of {smallest} fits into memory; a smaller network or input is needed.")
    return BatchSizes(tuple(tried), fitting[-1])


class _Climb(Callback):
    """Raises the rate with every step, and ends the fit when there is nothing more to see."""

    def __init__(self, curve: Curve, steps: int) -> None:
        self._curve = curve
        self._steps = steps
        self._parts: list[CurvePart] = []
        self._mean = 0.0
        self._losses: list[float] = []
        self._diverged = False

    def on_fit_start(self, context: Context) -> None:
        optimizers = context.model.optimizers.values()
        self._parts = [CurvePart(one, "learning_rate", self._curve, self._steps) for one in optimizers]

    def on_batch_end(self, context: Context) -> None:
        if context.loss is None:
            raise SettingError("Finding a learning rate needs training_step to return its loss.")
        self._add(float(context.loss.detach()))
        best = min(self._losses, default=math.inf)
        self._diverged = not math.isfinite(self._losses[-1]) or self._losses[-1] > _DIVERGED * best > 0
        if self._diverged or len(self._losses) == self._steps:
            context.stop("enough learning rates were tried")
        for part in self._parts:
            part.step()

    def result(self) -> LearningRates:
        rates = self._curve.values(self._steps)[: len(self._losses)]
        finite = [loss for loss in self._losses if math.isfinite(loss)]
        lowest = min(range(len(finite)), key=finite.__getitem__, default=0)
        if not lowest:
            raise SettingError("The loss falls at no rate; try more steps, or others by lowest= and highest=.")
        return LearningRates(tuple(rates), tuple(self._losses), rates[lowest] / 10, self._diverged)

    def _add(self, loss: float) -> None:
        self._mean = _SMOOTHING * self._mean + (1 - _SMOOTHING) * loss
        self._losses.append(self._mean / (1 - _SMOOTHING ** (len(self._losses) + 1)))


def _fits(model: Model, batches: Batches, steps: int) -> bool:
    for network in model.networks.values():
        network.train()
    try:
        for number in range(1, steps + 1):
            batch = next(batches.epoch(number))
            model.settle_from(batch)
            with model.precision.autocast():
                step = as_step(model.training_step(batch))
            if step.loss is not None:
                model.backward(step.loss)
                model.optimizer_step()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        fits = False
    else:
        fits = True
    # Outside of the handler: its traceback keeps the tensors that are to be freed.
    free_memory()
    return fits
