from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import Callback
from gradfleet.training.context import Context
from gradfleet.training.listening.events import EVENTS
from gradfleet.training.model import Model
from gradfleet.training.step import Step

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


class Tracer(Callback):
    """Writes down every event that it hears; `act` is called at one of them."""

    def __init__(self, trace: list[str], name: str = "", at: str = "", act: Callable[[Context], None] | None = None):
        for event in EVENTS:
            setattr(self, f"on_{event}", partial(self._hear, event))
        self._trace, self._name, self._at, self._act = trace, name, at, act

    def _hear(self, event: str, context: Context) -> None:
        self._trace.append(f"{self._name}{event}")
        if self._act is not None and event == self._at:
            self._act(context)


BATCH = ["batch_start", "forward_end", "loss_end", "backward_end", "step_end", "batch_end"]
VALIDATION = ["validation_start", *["validation_batch_start", "validation_batch_end"] * 2, "validation_end"]
EPOCH = ["epoch_start", *BATCH * 3, "train_end", *VALIDATION, "epoch_end"]


def fit(pair: Pair, network: Make, *callbacks: Callback, epochs: int = 2, model: type[Model] = Model) -> Model:
    """3 batches to train on and 2 to validate on in every epoch."""
    compiled = model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
    held_out = (pair[0][:40], pair[1][:40])
    compiled.fit(pair, held_out, epochs=epochs, batch_size=30, callbacks=callbacks)
    return compiled


def trace_of(pair: Pair, network: Make, at: str, act: Callable[[Context], None], epochs: int = 1) -> list[str]:
    trace: list[str] = []
    fit(pair, network, Tracer(trace, at=at, act=act), epochs=epochs)
    return trace


@pytest.mark.row("CB1")
def test_the_golden_trace_of_two_epochs_of_three_batches_with_validation(pair: Pair, network: Make) -> None:
    trace: list[str] = []

    fit(pair, network, Tracer(trace))

    assert trace == ["fit_start", *EPOCH, *EPOCH, "fit_end"]


@pytest.mark.row("CB1")
def test_the_trace_is_the_same_for_a_step_that_calls_nothing_of_ours(pair: Pair, network: Make) -> None:
    class Own(Model):
        def training_step(self, batch: Any) -> Step:
            inputs, targets = batch
            outputs = self.network(inputs)
            return Step(nn.functional.cross_entropy(outputs, targets), outputs, targets)

    trace: list[str] = []
    fit(pair, network, Tracer(trace), model=Own)

    assert trace == ["fit_start", *EPOCH, *EPOCH, "fit_end"]


class First(Callback):
    priority = -1

    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def on_epoch_end(self, context: Context) -> None:
        self.heard.append(type(self).__name__)


class Beta(First):
    priority = 0


class Alpha(First):
    priority = 0


class Last(First):
    priority = 5


@pytest.mark.row("CB1")
@pytest.mark.parametrize("order", [[First, Alpha, Beta, Last], [Last, Beta, First, Alpha]])
def test_callbacks_are_called_by_priority_and_name_wherever_they_stand_in_the_list(
    order: list[type[First]], pair: Pair, network: Make
) -> None:
    heard: list[str] = []

    fit(pair, network, *(one(heard) for one in order), epochs=1)

    assert heard == ["First", "Alpha", "Beta", "Last"]


@pytest.mark.row("CB11")
def test_two_callbacks_of_one_class_both_hear_every_event_exactly_once(pair: Pair, network: Make) -> None:
    trace: list[str] = []

    fit(pair, network, Tracer(trace, "a "), Tracer(trace, "b "))

    golden = ["fit_start", *EPOCH, *EPOCH, "fit_end"]
    assert trace == [f"{name} {event}" for event in golden for name in ("a", "b")]


def act_on(event: str, act: Callable[[Context], None]) -> Callback:
    return Tracer([], at=event, act=act)


def losses(pair: Pair, network: Make, *callbacks: Callback) -> list[float]:
    return fit(pair, network, *callbacks).history.values("train_loss")


@pytest.mark.row("CB2")
def test_a_changed_batch_is_the_one_that_is_trained_on(pair: Pair, network: Make) -> None:
    def flip(context: Context) -> None:
        inputs, targets = context.batch
        context.batch = (inputs, 1 - targets)

    assert losses(pair, network, act_on("batch_start", flip)) == losses((pair[0], 1 - pair[1]), network)


@pytest.mark.row("CB2")
def test_changed_outputs_are_what_the_loss_is_computed_from(pair: Pair, network: Make) -> None:
    def zero(context: Context) -> None:
        context.outputs = context.outputs * 0

    found = losses(pair, network, act_on("forward_end", zero))

    assert found == pytest.approx([torch.tensor(2.0).log().item()] * 2)


@pytest.mark.row("CB2")
def test_a_changed_loss_is_what_is_differentiated(pair: Pair, network: Make) -> None:
    def double(context: Context) -> None:
        assert context.loss is not None
        context.loss = context.loss * 2

    def halve(context: Context) -> None:
        for parameter in context.model.network.parameters():
            assert parameter.grad is not None
            parameter.grad /= 2

    doubled = losses(pair, network, act_on("loss_end", double), act_on("backward_end", halve))

    assert doubled == pytest.approx([2 * loss for loss in losses(pair, network)])
    assert losses(pair, network, act_on("loss_end", double))[1] != pytest.approx(doubled[1])


@pytest.mark.row("CB2")
def test_changed_gradients_are_what_the_optimizer_steps_by(pair: Pair, network: Make) -> None:
    def zero(context: Context) -> None:
        for parameter in context.model.network.parameters():
            assert parameter.grad is not None
            parameter.grad.zero_()

    trained = fit(pair, network, act_on("backward_end", zero))

    assert all(map(torch.equal, trained.network.parameters(), network().parameters()))


@pytest.mark.row("CB2")
@pytest.mark.parametrize(("field", "hint"), [("bach", " Did you mean 'batch'?"), ("epoch", "")])
def test_setting_an_unknown_field_is_an_error(field: str, hint: str, pair: Pair, network: Make) -> None:
    with pytest.raises(AttributeError, match=rf"'{field}'\.{hint.replace('?', '[?]')} Known: batch, loss, outputs"):
        fit(pair, network, act_on("batch_start", lambda context: setattr(context, field, None)))


@pytest.mark.row("CB3")
def test_a_skipped_batch_lands_at_batch_end(pair: Pair, network: Make) -> None:
    skipped = trace_of(pair, network, "batch_start", Context.skip_batch)
    assert skipped[2:8] == ["batch_start", "batch_end"] * 3

    skipped = trace_of(pair, network, "forward_end", Context.skip_batch)
    assert skipped[2:8] == ["batch_start", "forward_end", "batch_end"] * 2


@pytest.mark.row("CB3")
def test_a_skipped_step_lands_at_batch_end_and_moves_no_weight(pair: Pair, network: Make) -> None:
    skipped = trace_of(pair, network, "backward_end", Context.skip_step)
    assert skipped[2:7] == ["batch_start", "forward_end", "loss_end", "backward_end", "batch_end"]

    trained = fit(pair, network, act_on("backward_end", Context.skip_step))
    assert all(map(torch.equal, trained.network.parameters(), network().parameters()))


@pytest.mark.row("CB3")
def test_an_ended_epoch_lands_at_train_end_and_is_validated_and_recorded(pair: Pair, network: Make) -> None:
    ended = trace_of(pair, network, "batch_end", Context.end_epoch)
    assert ended == ["fit_start", "epoch_start", *BATCH, "train_end", *VALIDATION, "epoch_end", "fit_end"]

    ended = trace_of(pair, network, "epoch_start", Context.end_epoch)
    assert ended == ["fit_start", "epoch_start", "train_end", *VALIDATION, "epoch_end", "fit_end"]


@pytest.mark.row("CB3")
def test_an_ended_validation_lands_at_validation_end(pair: Pair, network: Make) -> None:
    ended = trace_of(pair, network, "validation_batch_end", Context.end_validation)
    short = ["validation_start", "validation_batch_start", "validation_batch_end", "validation_end"]
    assert ended == ["fit_start", "epoch_start", *BATCH * 3, "train_end", *short, "epoch_end", "fit_end"]


def stop_in_second_epoch(context: Context) -> None:
    if context.epoch == 2:
        context.stop("enough")


@pytest.mark.row("CB3")
@pytest.mark.parametrize(
    ("at", "left"),
    [
        ("epoch_start", ["epoch_start", "train_end"]),
        ("batch_end", ["epoch_start", *BATCH, "train_end"]),
        ("validation_batch_end", [*EPOCH[:-1][: EPOCH.index("validation_batch_end") + 1], "validation_end"]),
        ("epoch_end", EPOCH),
    ],
)
def test_a_stopped_fit_closes_what_is_open_and_lands_at_fit_end(
    at: str, left: list[str], pair: Pair, network: Make
) -> None:
    assert trace_of(pair, network, at, stop_in_second_epoch, epochs=3) == ["fit_start", *EPOCH, *left, "fit_end"]


@pytest.mark.row("CB3")
def test_a_fit_can_be_stopped_before_its_first_batch(pair: Pair, network: Make) -> None:
    assert trace_of(pair, network, "fit_start", lambda context: context.stop("no")) == ["fit_start", "fit_end"]


def test_a_stopped_first_epoch_is_validated_whole_and_recorded(pair: Pair, network: Make) -> None:
    for at in ("batch_end", "validation_batch_end"):
        trace = trace_of(pair, network, at, lambda context: context.stop("enough"), epochs=3)
        assert trace[-8:] == ["train_end", *VALIDATION, "epoch_end", "fit_end"][-8:]


def test_the_reason_of_a_stop_is_kept(pair: Pair, network: Make) -> None:
    trained = fit(pair, network, act_on("epoch_end", lambda context: context.stop("enough")))

    assert trained.stop_reason == "enough"
    assert len(trained.history) == 1


def test_an_exception_names_callback_and_event_and_the_fit_is_torn_down(pair: Pair, network: Make) -> None:
    trace: list[str] = []

    def fail(context: Context) -> None:
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more") as caught:
        fit(pair, network, Tracer(trace, at="step_end", act=fail))

    assert caught.value.__notes__ == ["Raised by the callback Tracer at the event 'step_end'."]
    assert trace[-3:] == ["step_end", "exception", "fit_end"]


def test_what_a_listener_does_with_the_model_fires_no_event(pair: Pair, network: Make) -> None:
    trace: list[str] = []

    def look(context: Context) -> None:
        context.model.compute_loss(context.model.forward(pair[0]), pair[1])

    for event in ("epoch_start", "batch_start", "batch_end", "validation_end", "epoch_end"):
        trace.clear()
        fit(pair, network, Tracer(trace, at=event, act=look))
        assert trace == ["fit_start", *EPOCH, *EPOCH, "fit_end"]


def test_what_is_no_callback_is_refused(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match="A callback is a Callback, got <class"):
        Model(network()).compile().fit(pair, epochs=1, callbacks=[Callback])  # type: ignore[list-item]


def test_leaving_the_generator_early_ends_the_fit(pair: Pair, network: Make) -> None:
    trace: list[str] = []
    for _ in Model(network()).compile().epochs(pair, epochs=5, callbacks=[Tracer(trace)]):
        break

    assert trace[-2:] == ["epoch_end", "fit_end"]
