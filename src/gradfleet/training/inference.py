"""Passes over data that learn nothing: validation, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from gradfleet.data.loaders import Batches
from gradfleet.errors import DataError
from gradfleet.training.context import Cancel, FitState
from gradfleet.training.events import Events
from gradfleet.training.meter import Meter
from gradfleet.training.seeding import untouched_generators
from gradfleet.training.step import as_step

if TYPE_CHECKING:
    from gradfleet.training.model import Model


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Networks in eval mode, no gradients, autocast as the model's precision says.

    Afterwards every module is in the mode that it had: what was frozen in eval mode stays so. Nothing that is drawn
    inside moves the global random generators, so that training is the same with and without validation.
    """
    modes = [(module, module.training) for network in model.networks.values() for module in network.modules()]
    for network in model.networks.values():
        network.eval()
    try:
        with untouched_generators(), torch.no_grad(), model.precision.autocast():
            yield
    finally:
        for module, training in modes:
            module.training = training


def measure(model: Model, batches: Batches, meter: Meter, events: Events, state: FitState) -> Meter:
    """Feed every batch's `validation_step` to the meter, until a callback ends it."""
    state.batch_number = 0
    generators = batches.state()
    with evaluating(model):
        for batch in batches.epoch(0):
            _measure_batch(model, batch, meter, events, state)
            if state.cancel >= Cancel.VALIDATION and not (state.stopping and state.needs_record):
                break
    batches.load_state(generators)
    if not state.batch_number:
        raise DataError("The validation data gives no batches; it may be empty, or exhausted by an earlier pass.")
    return meter


def settle(model: Model, batches: Batches) -> None:
    """Let the first batch tell the kind of problem, when nothing before did."""
    if model.is_settled:
        return
    generators = batches.state()
    with untouched_generators():
        first = next(batches.epoch(0), None)
    batches.load_state(generators)
    model.settle_from(first)


def _measure_batch(model: Model, batch: Any, meter: Meter, events: Events, state: FitState) -> None:
    state.begin_batch(batch)
    if events.validation_batch_start:
        events.fire("validation_batch_start")
    if state.cancel < Cancel.BATCH:
        step = as_step(model.validation_step(state.batch))
        state.outputs, state.loss = step.outputs, step.loss
        meter.add(step, state.batch)
    if events.validation_batch_end:
        events.fire("validation_batch_end")


def predict(model: Model, batches: Batches) -> torch.Tensor:
    """The raw outputs of all rows in order, on the CPU.

    Raises:
        DataError: there are no batches.
    """
    generators = batches.state()
    with evaluating(model):
        outputs = [model.predict_step(batch).detach() for batch in batches.epoch(0)]
    batches.load_state(generators)
    if not outputs:
        raise DataError("There are no batches to predict.")
    return torch.cat(outputs).cpu()
