"""A history that happened, told once more to callbacks that were not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context, FitState
from gradfleet.training.history import EpochRecord, History
from gradfleet.training.listening.events import Events

if TYPE_CHECKING:
    from gradfleet.training.model import Model


def replay(history: History, callbacks: Iterable[Callback], *, model: Model | None = None) -> str | None:
    """Fire the events of every epoch with its record, without training; why a callback stopped, or None.

    The events are those of epochs, with `batch_end` for epochs that kept their batches. `context.history` grows as it
    did then. What a callback would have stopped is not told on.

    Args:
        model: what `context.model` is; callbacks that look at it need one.

    Example:
        >>> from gradfleet.training.callbacks import EarlyStopping
        >>> losses = [0.5, 0.4, 0.45, 0.6, 0.3]
        >>> history = History(EpochRecord(number, {"val_loss": loss}) for number, loss in enumerate(losses, start=1))
        >>> replay(history, [EarlyStopping(patience=2, restore_best=False)])
        'val_loss has not become better since epoch 2 (0.4), 2 epochs ago'

    Raises:
        SettingError: a callback looks at the model and there is none.
    """
    told = History()
    state = FitState(model, total_epochs=history[-1].epoch if history else 0, history=told)
    state.expected = tuple(history[0].metrics) if history else None
    events = Events(callbacks, Context(state))
    events.fire("fit_start")
    try:
        for record in history:
            if state.stopping:
                break
            _tell(record, state, events, told)
    finally:
        events.fire("fit_end")
    return state.stop_reason


def _tell(record: EpochRecord, state: FitState, events: Events, told: History) -> None:
    losses = record.batches.get("loss", ())
    state.epoch, state.batch_number, state.num_batches = record.epoch, 0, len(losses) or None
    state.metrics = {name: value for name, value in record.metrics.items() if not name.startswith("val_")}
    events.fire("epoch_start")
    for loss in losses:
        state.begin_batch(None)
        state.loss = torch.tensor(loss)
        events.fire("batch_end")
    events.fire("train_end")
    if len(state.metrics) < len(record.metrics):
        events.fire("validation_start")
        state.metrics = dict(record.metrics)
        events.fire("validation_end")
    state.record = record
    told.append(record)
    events.fire("epoch_end")
