"""The only training loop: a generator of one record an epoch.

What costs time is decided before the first batch. Events without listeners are a look at an empty tuple, nothing is
asked of the device until the epoch is over, and in one process at full precision the user's own backward pass and
optimizer run bare.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from gradfleet.data.loaders import Batches
from gradfleet.errors import DataError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Cancel, Context, FitState
from gradfleet.training.history import MICRO_BATCH, EpochRecord
from gradfleet.training.inference import measure
from gradfleet.training.learner import Learner
from gradfleet.training.listening.events import Events
from gradfleet.training.metrics.meter import Meter
from gradfleet.training.processes import processes
from gradfleet.training.schedules import Schedule
from gradfleet.training.state.seeding import generator_states, restore_generators, seed_everything

if TYPE_CHECKING:
    from gradfleet.training.model import Model

_NO_BATCH = object()
_DIVERGED = (
    "The training loss of epoch {epoch} is not a number, and weights that are none stay so. Try a lower learning rate, "
    "clip_norm=1.0, or look for NaN in the inputs; the callback StopOnNaN ends a fit at the first such batch."
)

NO_FIT: Mapping[str, Any] = {
    "seed": 0,
    "first_epoch": 0,
    "schedules": {},
    "batches": {},
    "callbacks": {},
    "position": None,
    "micro_batch": None,
}
"""The state of a fit that has not begun."""


class Loop:
    """One fit of one model.

    Args:
        total_epochs: the number of the last epoch, those before this fit included.
        first_epoch: how many epochs the model had when this fit began; a resumed fit began where the one before did.

    Attributes:
        is_at_work: whether the fit's own steps and callbacks run now, and not who takes its records.
    """

    def __init__(
        self,
        model: Model,
        train: Batches,
        validation: Batches | None,
        *,
        total_epochs: int,
        first_epoch: int,
        seed: int,
        callbacks: Iterable[Callback],
    ) -> None:
        self._model = model
        self._train = train
        self._validation = validation
        self._seed = seed
        self._first_epoch = first_epoch
        self._state = FitState(model, total_epochs, epoch=model.epoch, num_batches=train.num_batches, train=train)
        self._state.record = model.history[-1] if model.history else None
        listeners = model.listeners
        self._events = Events([*callbacks, *listeners.callbacks], Context(self._state), own=listeners.own)
        self._schedules = self._make_schedules()
        per_step = [one for one in self._schedules.values() if one.per_step]
        self._team = processes()
        self.is_at_work = False
        self._is_training = False
        self._order: dict[str, Any] = {}
        self._position: Mapping[str, Any] | None = None
        self.learner = Learner(model, self._state, self._events, per_step)

    def run(self) -> Generator[EpochRecord, None, None]:
        """Train; on each record the model is as it was at the end of that epoch, and may be saved."""
        self.is_at_work = True
        try:
            self._start()
            while self._model.epoch < self._state.total_epochs and not self._state.stopping:
                record = self._epoch()
                if record is None:
                    break
                self.is_at_work = False
                yield record
                self.is_at_work = True
                self._model.meet()
        except (Exception, KeyboardInterrupt) as error:
            self._state.error = error
            self._events.fire("exception")
            raise
        finally:
            try:
                self._events.fire("fit_end")
            finally:
                if self._state.error is None:
                    self._model.meet()
                self._model.leave(self.state(), self._state.stop_reason)

    def listen(self, callback: Callback) -> None:
        """Let one more listen to this fit, from the next event on."""
        self._events.add(callback, self._model.listeners.own)

    def fire(self, event: str) -> None:
        """Tell those who listen to an event of the user's own."""
        self._events.know(self._model.listeners.own)
        self._events.fire(event)

    def state(self) -> dict[str, Any]:
        """What a resumed fit needs beside the model's own state."""
        return {
            "seed": self._seed,
            "first_epoch": self._first_epoch,
            "schedules": {name: schedule.state_dict() for name, schedule in self._schedules.items()},
            "batches": self._order if self._is_within_epoch else self._train.state(),
            "position": self._place() if self._is_within_epoch else None,
            "callbacks": {key: dict(callback.state()) for key, callback in self._keyed_callbacks()},
            "micro_batch": self._model.micro_batch.rows,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; callbacks that it does not know begin afresh."""
        for name, schedule in self._schedules.items():
            if name in state["schedules"]:
                schedule.load_state_dict(state["schedules"][name])
        self._train.load_state(state["batches"])
        self._position = state["position"]
        self._model.micro_batch.rows = state["micro_batch"] or self._model.micro_batch.rows
        for key, callback in self._keyed_callbacks():
            if key in state["callbacks"]:
                callback.load_state(state["callbacks"][key])

    @property
    def _is_within_epoch(self) -> bool:
        return self._is_training and self._state.batch_number > 0

    def _place(self) -> dict[str, Any]:
        """Where in the epoch this is: after the latest batch, whose `batch_end` may be going on."""
        assert self._state.meter is not None
        return {
            "epoch": self._state.epoch,
            "batches": self._state.batch_number,
            "generators": generator_states(),
            "meter": self._state.meter.state(),
        }

    def _keyed_callbacks(self) -> Iterator[tuple[str, Callback]]:
        """Callbacks under names that a later process finds again: the class, and which of its objects."""
        seen: dict[str, int] = {}
        for callback in self._events.callbacks:
            name = type(callback).__qualname__
            seen[name] = seen.get(name, -1) + 1
            yield f"{name}.{seen[name]}", callback

    def _make_schedules(self) -> dict[str, Schedule]:
        batches = self._train.num_batches
        epochs = self._state.total_epochs - self._first_epoch
        return self._model.build_schedules(None if batches is None else batches * epochs, epochs)

    def _start(self) -> None:
        for network in self._model.networks.values():
            if not network.training:  # otherwise its parts are in the modes that the user has put them in
                network.train()
        self._begin_alike()
        if not any(callback.may_log for callback in self._events.callbacks):
            self._state.expected = self._model.expected_metrics(validation=self._validation is not None)
        self._fire("fit_start")

    def _begin_alike(self) -> None:
        if self._team is not None:
            self._team.begin_alike(self._model.networks, weights=self._model.sharding is None)

    def _fire(self, event: str) -> None:
        """Tell the callbacks; what those of any process have asked for is what all processes do."""
        self._events.fire(event)
        if self._team is not None:
            self._team.agree(self._state)

    def _epoch(self) -> EpochRecord | None:
        """Train, validate and record one epoch; None when a callback has cut it short."""
        state = self._state
        state.epoch = self._model.epoch + 1
        state.cancel, state.metrics, state.batches = Cancel.NOTHING, {}, {}
        state.needs_record = not self._model.history
        # Seeded anew each epoch, so that a resumed fit draws what the straight one does.
        seed_everything(self._seed, state.epoch)
        if self._position is None:
            self._fire("epoch_start")
        started = time.perf_counter()
        whole = self._train_batches()
        state.metrics["train_seconds"] = time.perf_counter() - started
        if self._model.micro_batch.rows is not None:
            state.metrics[MICRO_BATCH] = float(self._model.micro_batch.rows)
        self._fire("train_end")
        if self._is_cut(whole=whole and self._validation is None):
            return None
        if self._validation is not None and not self._validate(self._validation):
            return None
        return self._end_epoch()

    def _end_epoch(self) -> EpochRecord:
        state = self._state
        state.record = EpochRecord(state.epoch, dict(state.metrics), state.batches)
        if math.isnan(state.metrics.get("train_loss", 0.0)):
            warnings.warn(_DIVERGED.format(epoch=state.epoch), RuntimeWarning, stacklevel=2)
        for schedule in self._schedules.values():
            schedule.step_epoch(state.metrics)
        self._model.epoch = state.epoch
        self._model.history.append(state.record)
        self._fire("epoch_end")
        return state.record

    def _is_cut(self, *, whole: bool) -> bool:
        """Whether the epoch ends without a record: it is not whole, and the model has a record to show already."""
        return self._state.stopping and not whole and not self._state.needs_record

    def _train_batches(self) -> bool:
        """One pass over the training batches; whether all of them were seen."""
        state = self._state
        state.batch_number = 0
        self.learner.begin_epoch()
        self._order = self._train.state()
        batches = self._settled(self._train.epoch(state.epoch))
        meter = Meter(self._model.problem)
        if self._position is not None:
            self._go_to(self._position, batches, meter)
        with self._model.passing(state, meter):
            self._is_training = True
            try:
                for batch in batches:
                    if state.cancel >= Cancel.EPOCH:
                        break
                    self.learner.learn(batch, meter)
            finally:  # whatever ends it: a place in the epoch is one between batches
                self._is_training = False
        self._begin_alike()  # running statistics are of each process's own rows
        state.metrics |= {f"train_{name}": value for name, value in meter.numbers().items()}
        return state.cancel < Cancel.EPOCH or state.batch_number == state.num_batches

    def _go_to(self, position: Mapping[str, Any], batches: Iterator[Any], meter: Meter) -> None:
        """Be where the resumed fit was in this epoch: its batches are read and passed over, then all is put back."""
        for _ in islice(batches, position["batches"]):
            pass
        self._state.batch_number = position["batches"]
        meter.load_state(position["meter"])
        restore_generators(position["generators"])
        self._position = None

    def _settled(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The same batches; when nothing before told the kind of problem, the first one does."""
        first = next(batches, _NO_BATCH)
        if first is _NO_BATCH:
            raise DataError("The training data gives no batches; it may be empty, or exhausted by an earlier epoch.")
        self._model.settle_from(first)
        return chain([first], batches)

    def _validate(self, batches: Batches) -> bool:
        """Add the validation's metrics; False when a callback has cut the epoch short."""
        state, events = self._state, self._events
        state.cancel = Cancel.NOTHING
        events.fire("validation_start")
        meter = Meter(self._model.problem)
        if state.cancel < Cancel.VALIDATION:
            measure(self._model, batches, meter, events, state)
        cut = self._is_cut(whole=False)
        if not cut:
            state.metrics |= {f"val_{name}": value for name, value in meter.numbers().items()}
        events.fire("validation_end")
        state.cancel = Cancel.NOTHING
        return not cut
