"""What callbacks see of a fit, and the few things they may change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import torch

from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.history import EpochRecord, History
from gradfleet.training.state.seeding import untouched_generators
from gradfleet.training.step import num_rows

if TYPE_CHECKING:
    from gradfleet.data.loaders import Batches
    from gradfleet.training.metrics.meter import Meter
    from gradfleet.training.model import Model


class Cancel(IntEnum):
    """What a callback has asked to leave out; the larger one wins."""

    NOTHING = 0
    STEP = 1
    BATCH = 2
    VALIDATION = 3
    EPOCH = 4
    FIT = 5


@dataclass(slots=True)
class FitState:
    """The loop's own side of a Context: plain fields that it may write at any time."""

    model: Model | None
    total_epochs: int
    epoch: int = 0
    batch_number: int = 0
    num_batches: int | None = None
    train: Batches | None = None
    batch: Any = None
    part: Any = None
    first_row: int = 0  # of the part, within the batch
    meter: Meter | None = None
    outputs: Any = None
    loss: torch.Tensor | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    batches: dict[str, list[float]] = field(default_factory=dict)
    record: EpochRecord | None = None
    history: History | None = None  # of a replay; else the model's
    expected: tuple[str, ...] | None = None
    needs_record: bool = False
    error: BaseException | None = None
    stop_reason: str | None = None
    cancel: Cancel = Cancel.NOTHING

    def begin_batch(self, batch: Any) -> None:
        """Forget the batch before, and what a callback left out of it."""
        self.batch = batch
        self.batch_number += 1
        self.part = self.outputs = self.loss = None
        self.cancel = Cancel.NOTHING

    @property
    def stopping(self) -> bool:
        """Whether a callback has ended the fit."""
        return self.stop_reason is not None


class Context:
    """One fit as callbacks see it. `batch`, `outputs` and `loss` may be set; setting anything else is an error.

    A change takes effect on what follows: a new `batch` at `batch_start` is the one that is trained on, new `outputs`
    at `forward_end` are what the loss is computed from, a new `loss` at `loss_end` is what is differentiated.
    Gradients are changed in place, at `backward_end`, through `model`.

    What is left out by `skip_...`, `end_...` or `stop` is left out from the event on at which it was asked; all who
    listen to that event still hear it, and whatever was begun ends with its own event: an epoch that is ended inside a
    batch still gives `batch_end` and `train_end`.
    """

    __slots__ = ("_state",)
    _state: FitState

    def __init__(self, state: FitState) -> None:
        object.__setattr__(self, "_state", state)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _MUTABLE:
            raise AttributeError(unknown_name("field that a callback may set", name, _MUTABLE))
        object.__setattr__(self, name, value)

    @property
    def model(self) -> Model:
        if self._state.model is None:
            raise SettingError("This callback looks at the model, which a replay has not: give replay its model=.")
        return self._state.model

    @property
    def epoch(self) -> int:
        """The number of the epoch that is being trained; the model's first is 1."""
        return self._state.epoch

    @property
    def total_epochs(self) -> int:
        """The number of the last epoch, if nothing stops the fit before."""
        return self._state.total_epochs

    @property
    def batch_number(self) -> int:
        """The number of the batch within this epoch's training or validation; the first is 1."""
        return self._state.batch_number

    @property
    def num_batches(self) -> int | None:
        """Batches of an epoch's training; None when the data does not know its length."""
        return self._state.num_batches

    def training_batches(self) -> Iterator[Any]:
        """The batches of this epoch's training once more, as they were before any callback; nothing else is moved.

        Raises:
            SettingError: a replay has none.
        """
        batches = self._state.train
        if batches is None:
            raise SettingError("This callback asks for training batches, which a replay has not.")
        generators = batches.state()
        try:
            with untouched_generators():
                yield from batches.epoch(self.epoch)
        finally:
            batches.load_state(generators)

    @property
    def batch(self) -> Any:
        return self._state.batch

    @batch.setter
    def batch(self, value: Any) -> None:
        self._state.batch = value

    @property
    def outputs(self) -> Any:
        return self._state.outputs

    @outputs.setter
    def outputs(self, value: Any) -> None:
        self._state.outputs = value

    @property
    def loss(self) -> torch.Tensor | None:
        return self._state.loss

    @loss.setter
    def loss(self, value: torch.Tensor | None) -> None:
        self._state.loss = value

    @property
    def metrics(self) -> Mapping[str, float]:
        """Of the epoch that is being trained, as far as they are known."""
        return self._state.metrics

    @property
    def logged(self) -> Mapping[str, torch.Tensor | float]:
        """The latest value of everything that the model's steps log with `on_step`, by its plain name."""
        return self._state.meter.logged.last if self._state.meter is not None else {}

    @property
    def record(self) -> EpochRecord | None:
        """The last complete epoch's record; at `epoch_end` that of the epoch that just ended."""
        return self._state.record

    @property
    def expected_metrics(self) -> tuple[str, ...] | None:
        """The names that records are going to have; None while nobody can know."""
        return self._state.expected

    @property
    def history(self) -> History:
        return self.model.history if self._state.history is None else self._state.history

    @property
    def error(self) -> BaseException | None:
        """What ended the fit, at `exception`."""
        return self._state.error

    @property
    def stop_reason(self) -> str | None:
        """Why a callback has ended the fit; None while none has."""
        return self._state.stop_reason

    def rows_at_work(self, values: torch.Tensor) -> torch.Tensor:
        """Of values with a row for each of the batch's, those that `outputs` and `loss` are of now.

        That is all of them, unless the batch is split: by `accumulate`, among processes, or because memory ran out.
        """
        if self._state.part is None:
            return values
        first = self._state.first_row
        return values[first : first + num_rows(self._state.part)]

    def log(self, name: str, value: float) -> None:
        """Put a number into the record of the epoch that is being trained; the last one of a name stays.

        At `validation_end` at the latest.

        Raises:
            SettingError: the record is complete, as it is from `epoch_end` on, or no epoch has begun.
        """
        if self._state.epoch == (0 if self._state.record is None else self._state.record.epoch):
            raise SettingError(
                f"No record takes {name!r} now: log it between epoch_start and validation_end, such as at train_end."
            )
        self._state.metrics[name] = float(value)

    def log_batches(self, name: str, values: list[float]) -> None:
        """Put a value for each training batch into the record of the epoch that is being trained."""
        self._state.batches[name] = values

    def skip_step(self) -> None:
        """Leave the optimizer's step out. `batch_end` comes next."""
        self._ask(Cancel.STEP)

    def skip_batch(self) -> None:
        """Leave the rest of this batch out, and the batch out of the metrics. `batch_end` comes next."""
        self._ask(Cancel.BATCH)

    def end_validation(self) -> None:
        """Validate no further batch; the metrics are of those so far. `validation_end` comes next."""
        self._ask(Cancel.VALIDATION)

    def end_epoch(self) -> None:
        """Train no further batch in this epoch, then validate and record as always. `train_end` comes next."""
        self._ask(Cancel.EPOCH)

    def stop(self, reason: str) -> None:
        """End the fit. `fit_end` comes next.

        An epoch that is not complete gives no record, unless the model has none yet: then what was trained is
        validated and recorded, so that there is something to use.
        """
        self._ask(Cancel.FIT)
        self._state.stop_reason = self._state.stop_reason or reason

    def _ask(self, cancel: Cancel) -> None:
        self._state.cancel = max(self._state.cancel, cancel)


_MUTABLE = ("batch", "outputs", "loss")
