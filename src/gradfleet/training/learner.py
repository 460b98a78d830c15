"""What the loop does with one training batch: forward, backward, step, with their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gradfleet.errors import SettingError, TooLargeError
from gradfleet.training.batches import parts
from gradfleet.training.context import Cancel, FitState
from gradfleet.training.listening.events import Events
from gradfleet.training.metrics.meter import Meter
from gradfleet.training.processes import processes
from gradfleet.training.schedules import Schedule
from gradfleet.training.step import Step, as_step, num_rows

if TYPE_CHECKING:
    from gradfleet.training.model import Model


_BY_HAND = (
    "Memory ran out in a training_step that calls backward or step itself, which cannot be run again in parts; "
    "give a smaller batch_size."
)


class Learner:
    """Trains on one batch at a time.

    Attributes:
        num_parts: into how many micro-batches every batch is split at least; their gradients are added up, weighted by
            rows, for one step of the optimizer.
    """

    def __init__(self, model: Model, state: FitState, events: Events, schedules: Sequence[Schedule]) -> None:
        self._model = model
        self._state = state
        self._events = events
        self._schedules = schedules
        self._within_step = events.within_step
        self._pending: set[str] = set()
        self._parameters: list[nn.Parameter] = []
        self._in_step = False
        self._by_hand = False
        self._moved = False
        self._team = processes()
        self._sharding = model.sharding
        self._weight = 1.0
        self._first_row = 0
        self.num_parts = model.settings.accumulate

    def begin_epoch(self) -> None:
        """Take the parameters that the optimizers have now."""
        self._parameters = [
            parameter
            for optimizer in self._model.optimizers.values()
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]

    def learn(self, batch: Any, meter: Meter) -> None:
        """One batch, from `batch_start` to `batch_end`."""
        state, events = self._state, self._events
        state.begin_batch(batch)
        if events.batch_start:
            events.fire("batch_start")
        if state.cancel < Cancel.BATCH:
            self._learn(meter)
        if events.batch_end:
            events.fire("batch_end")
        if self._team is not None:
            self._team.agree(state)

    def _learn(self, meter: Meter) -> None:
        state, batch = self._state, self._state.batch
        counting = True
        if self._team is not None:
            batch, self._first_row, own_rows, self._weight = self._team.share(batch)
            counting = own_rows > 0
            state.meter = meter if counting else None  # what is logged of a row that does not count is not kept
        self._begin()
        logged = meter.logged.mark()
        done = self._model.micro_batch.run(
            batch, self._differentiate, least=self.num_parts, again=lambda: self._undo(meter, logged)
        )
        state.part, state.meter = None, meter
        if self._team is not None:
            self._combine()
        if state.cancel >= Cancel.BATCH:
            return
        state.outputs, state.loss = parts.join(done)
        self._move()
        if counting:
            for part in done:
                meter.add(part.result, part.rows)

    def _begin(self) -> None:
        """No gradients, and nobody has stepped by hand."""
        for parameter in self._parameters:
            parameter.grad = None
        self._state.first_row = self._first_row
        self._by_hand = self._moved = False

    def _differentiate(self, rows: Any, share: float) -> Step:
        """Add the gradients of some of the batch's rows, which count by their share of all."""
        if self._state.cancel >= Cancel.BATCH:  # asked in a part before this one
            return Step(None)
        self._state.part = rows
        step = self._forward(rows)
        if self._sharding is not None and self._team is not None:
            self._team.agree(self._state)  # gradients are exchanged on their way, so all differentiate or none
        if step.loss is not None and not self._by_hand and self._state.cancel < Cancel.BATCH:
            scale = share if self._sharding is None else self._weight * self._sharding.loss_scale
            self._model.backward(step.loss if scale == 1 else step.loss * scale)
        if share != 1:
            self._state.first_row += num_rows(rows)
        return step

    def _undo(self, meter: Meter, logged: Mapping[str, int]) -> None:
        """Memory ran out in the middle of a batch: be where its forward pass began."""
        if self._by_hand:
            raise TooLargeError(_BY_HAND)
        self._state.outputs = self._state.loss = None
        meter.logged.rewind(logged)
        self._begin()

    def _combine(self) -> None:
        """The gradients of all processes together, unless one of them leaves the batch out."""
        if self._team is not None:
            self._team.agree(self._state)
            if self._state.cancel < Cancel.BATCH and self._sharding is None:
                self._team.combine(self._parameters, self._weight)

    def _forward(self, batch: Any) -> Step:
        model = self._model
        if self._within_step:
            self._pending = set(self._within_step)
        self._in_step = True
        try:
            if model.precision.mixed:
                with model.precision.autocast():
                    step = as_step(model.training_step(batch))
            else:
                step = as_step(model.training_step(batch))
        finally:
            self._in_step = False
        return self._offer_rest(step) if self._within_step else step

    def _move(self) -> None:
        """Move the weights, unless the step has done so by hand; then only what follows from it is left."""
        state, events = self._state, self._events
        if not self._moved:
            if events.backward_end:
                events.fire("backward_end")
            if self._by_hand or state.cancel >= Cancel.STEP:
                return
            if state.loss is not None:
                self._model.optimizer_step()
            if events.step_end:
                events.fire("step_end")
        elif state.cancel >= Cancel.STEP:
            return
        self._model.precision.update()
        for schedule in self._schedules:
            schedule.step()

    # What a step that works by hand calls, through the model; outside a training step these do nothing.

    def begin_backward(self, loss: torch.Tensor) -> torch.Tensor:
        """Show a loss to the callbacks before its first backward pass; what they made of it."""
        if not self._in_step:
            return loss
        self._take_over()
        if self._pending:
            self.offer_outputs(None)
            changed: torch.Tensor = self.offer_loss(loss)
            return changed
        return loss

    def begin_step(self) -> bool:
        """Tell the callbacks that gradients are there; whether the step may be taken."""
        if not self._in_step:
            return True
        self._take_over()
        self._moved = True
        self._combine()
        self._events.fire("backward_end")
        return self._state.cancel < Cancel.STEP

    def _take_over(self) -> None:
        if self._sharding is not None:
            raise SettingError("A training_step that calls backward or step itself needs strategy='ddp'.")
        if self._model.micro_batch.rows is not None:  # it would step once a part, not once a batch
            raise TooLargeError(_BY_HAND)
        self._by_hand = True

    def end_step(self) -> None:
        """Tell the callbacks that weights have moved."""
        if self._in_step:
            self._events.fire("step_end")

    def offer_outputs(self, outputs: Any) -> Any:
        """Show the outputs to those who listen to `forward_end`; what they made of them."""
        return self._offer_field("outputs", "forward_end", outputs)

    def offer_loss(self, loss: Any) -> Any:
        """Show the loss to those who listen to `loss_end`; what they made of it."""
        return self._offer_field("loss", "loss_end", loss)

    def _offer_field(self, name: str, event: str, value: Any) -> Any:
        if event not in self._pending or self._state.cancel >= Cancel.BATCH:
            return value
        self._pending.discard(event)
        setattr(self._state, name, value)
        self._events.fire(event)
        return getattr(self._state, name)

    def _offer_rest(self, step: Step) -> Step:
        """Both events fire once a batch, for a user's own step too, which may not have called what fires them."""
        outputs = self.offer_outputs(step.outputs)
        loss = self.offer_loss(step.loss)
        self._pending.clear()
        return Step(loss, outputs, step.targets)
