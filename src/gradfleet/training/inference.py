"""Passes over data that learn nothing: validation, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from gradfleet.data.loaders import Batches
from gradfleet.errors import DataError
from gradfleet.training.batches.parts import join
from gradfleet.training.context import Cancel, FitState
from gradfleet.training.listening.events import Events
from gradfleet.training.metrics.meter import Meter
from gradfleet.training.processes import processes
from gradfleet.training.state.seeding import untouched_generators
from gradfleet.training.step import Step, as_step, inputs_of, split_batch

if TYPE_CHECKING:
    from gradfleet.training.model import Model

View = Callable[[Any], Any]
"""What a batch's inputs look like to one of the predictions that are averaged."""


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


def measure(
    model: Model, batches: Batches, meter: Meter, events: Events, state: FitState, views: Sequence[View] = ()
) -> Meter:
    """Feed every batch's `validation_step` to the meter, or the mean of its views, until a callback ends it."""
    state.batch_number = 0
    generators = batches.state()
    with evaluating(model), model.passing(state, meter):
        for batch in batches.epoch(0):
            _measure_batch(model, batch, meter, events, state, views)
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
    model.settle_from(first_batch(batches))


def first_batch(batches: Batches) -> Any:
    """The batch that comes first, with nothing moved; None when there is none."""
    generators = batches.state()
    with untouched_generators():
        first = next(batches.epoch(0), None)
    batches.load_state(generators)
    return first


def _measure_batch(
    model: Model, batch: Any, meter: Meter, events: Events, state: FitState, views: Sequence[View]
) -> None:
    state.begin_batch(batch)
    if events.validation_batch_start:
        events.fire("validation_batch_start")
    if state.cancel < Cancel.BATCH:
        team = processes()
        part, _, rows, _ = (state.batch, 0, 1, 1.0) if team is None else team.share(state.batch)
        state.meter = meter if rows else None
        logged = meter.logged.mark()

        def look(piece: Any, _share: float) -> Step:
            state.part = piece
            return _viewed_step(model, piece, views) if views else as_step(model.validation_step(piece))

        seen = model.inference_batch.run(part, look, again=lambda: meter.logged.rewind(logged))
        state.part, state.meter = None, meter
        state.outputs, state.loss = join(seen)
        if rows:
            for one in seen:
                meter.add(one.result, one.rows)
    if events.validation_batch_end:
        events.fire("validation_batch_end")
    if (others := processes()) is not None:
        others.agree(state)


def _viewed_step(model: Model, batch: Any, views: Sequence[View]) -> Step:
    outputs, targets = _outputs(model, batch, views), split_batch(batch)[1]
    return Step(model.problem.compute_loss(outputs, targets), outputs, targets)


def _outputs(model: Model, batch: Any, views: Sequence[View]) -> torch.Tensor:
    """The mean over the views; without any, the outputs of the batch as it is."""
    if not views:
        return model.predict_step(batch)
    return torch.stack([model.predict_step(_seen(batch, view)) for view in views]).mean(dim=0)


def _seen(batch: Any, view: View) -> Any:
    inputs = view(inputs_of(batch))
    return (*inputs, None) if isinstance(inputs, tuple) else inputs  # the last part of a tuple is its targets


def predict(model: Model, batches: Batches, views: Sequence[View] = ()) -> torch.Tensor:
    """The raw outputs of all rows in order, on the CPU.

    Raises:
        DataError: there are no batches.
    """
    generators = batches.state()
    with evaluating(model):
        outputs = [
            part.result
            for batch in batches.epoch(0)
            for part in model.inference_batch.run(batch, lambda rows, _: _outputs(model, rows, views).detach())
        ]
    batches.load_state(generators)
    if not outputs:
        raise DataError("There are no batches to predict.")
    return torch.cat(outputs).cpu()
