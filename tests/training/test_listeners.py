from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import Callback
from gradfleet.training.context import Context
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


def new(network: Make) -> Model:
    return Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)


def heard_epochs(pair: Pair, network: Make, epochs: int = 20, event: str = "epoch_end", **chosen: Any) -> list[int]:
    heard: list[int] = []
    model = new(network)
    model.on(event, lambda context: heard.append(context.epoch), **chosen)
    model.fit(pair, pair, epochs=epochs, batch_size=70)
    return heard


@pytest.mark.row("CB4")
@pytest.mark.parametrize(
    ("chosen", "epochs", "expected"),
    [
        ({"every": 5}, 20, [5, 10, 15, 20]),
        ({"every": 5, "after": 8, "before": 25}, 30, [9, 14, 19, 24]),
        ({"once": True}, 20, [1]),
        ({"once": True, "after": 7}, 20, [8]),
        ({"at": [3, 1, 17, 99]}, 20, [1, 3, 17]),
        ({"after": 17}, 20, [18, 19, 20]),
        ({"before": 3}, 20, [1, 2]),
        ({"after": 2, "before": 6}, 20, [3, 4, 5]),
        ({"when": lambda context: context.epoch in (4, 6)}, 20, [4, 6]),
        ({"every": 2, "when": lambda context: context.epoch > 15}, 20, [16, 18, 20]),
    ],
)
def test_a_filter_lets_the_times_through_that_it_says(
    chosen: dict[str, Any], epochs: int, expected: list[int], pair: Pair, network: Make
) -> None:
    assert heard_epochs(pair, network, epochs, **chosen) == expected


@pytest.mark.row("CB4")
@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        ("train", ["train 2", "train 1", "train 3"]),
        ("validation", ["validation 2", "validation 2"]),
        (["train", "validation"], ["train 2", "validation 2", "train 1", "train 3", "validation 2"]),
    ],
)
def test_each_loader_is_counted_on_its_own(
    loader: str | list[str], expected: list[str], pair: Pair, network: Make
) -> None:
    heard: list[str] = []
    model = new(network)

    def hear(context: Context) -> None:
        part = "train" if torch.is_grad_enabled() else "validation"
        heard.append(f"{part} {context.batch_number}")

    model.on("batch_end", hear, loader=loader, every=2)
    model.fit(pair, (pair[0][:40], pair[1][:40]), epochs=2, batch_size=30)

    assert heard == expected


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def hear(self, context: Context) -> None:
        self.count += 1


@pytest.mark.row("CB5")
def test_a_lambda_a_method_and_a_function_register_by_call_and_by_decorator(pair: Pair, network: Make) -> None:
    heard: list[str] = []
    counter = Counter()
    model = new(network)

    def function(context: Context) -> None:
        heard.append("function")

    model.on("epoch_end", function)
    model.on("epoch_end", counter.hear)
    model.on("epoch_end", lambda context: heard.append("lambda"))

    @model.on("epoch_end")
    def decorated(context: Context) -> None:
        heard.append("decorated")

    model.fit(pair, epochs=1)

    assert heard == ["function", "lambda", "decorated"]
    assert counter.count == 1
    assert callable(decorated)


@pytest.mark.row("CB5")
def test_a_registration_can_be_taken_back_between_fits_and_within_one(pair: Pair, network: Make) -> None:
    heard: list[int] = []
    counter = Counter()
    model = new(network)
    handle = model.on("epoch_end", lambda context: heard.append(context.epoch))
    model.on("epoch_end", counter.hear)
    model.on("epoch_end", lambda context: handle.remove(), at=[2])
    model.on("epoch_end", lambda context: model.off(counter.hear), at=[3])

    model.fit(pair, epochs=5)
    model.fit(pair, epochs=1)

    assert heard == [1, 2]
    assert counter.count == 3
    with pytest.raises(SettingError, match="listens to nothing here"):
        model.off(counter.hear)


@pytest.mark.row("CB5")
def test_what_is_registered_within_a_fit_listens_from_the_next_event_on(pair: Pair, network: Make) -> None:
    heard: list[tuple[str, int]] = []
    model = new(network)

    @model.on("epoch_end", once=True)
    def later(context: Context) -> None:
        for event in ("epoch_end", "forward_end"):
            model.on(event, lambda context, event=event: heard.append((event, context.epoch)))

    model.fit(pair, epochs=3, batch_size=70)

    assert heard == [("forward_end", 2), ("epoch_end", 2), ("forward_end", 3), ("epoch_end", 3)]


@pytest.mark.row("CB5")
def test_custom_events_register_and_fire(pair: Pair, network: Make) -> None:
    class Own(Model):
        def training_step(self, batch: Any) -> Any:
            self.fire("looked")
            return super().training_step(batch)

    class Hears(Callback):
        def on_looked(self, context: Context) -> None:
            heard.append(f"callback {context.batch_number}")

    heard: list[str] = []
    model = Own(network()).compile("cross_entropy")
    model.add_event("looked")
    model.on("looked", lambda context: heard.append(f"function {context.batch_number}"), every=2)
    model.fire("looked")  # outside a fit nobody listens

    model.fit(pair, epochs=1, batch_size=30, callbacks=[Hears()])

    assert heard == ["callback 1", "function 2", "callback 2", "callback 3"]


@pytest.mark.row("CB5")
def test_an_event_may_be_added_and_fired_within_a_fit(pair: Pair, network: Make) -> None:
    heard: list[int] = []
    model = new(network)

    @model.on("epoch_start", once=True)
    def add(context: Context) -> None:
        model.add_event("late")
        model.on("late", lambda context: heard.append(context.epoch))

    model.on("epoch_end", lambda context: model.fire("late"))
    model.fit(pair, epochs=2)

    assert heard == [1, 2]


def test_times_are_counted_over_all_fits(pair: Pair, network: Make) -> None:
    epochs: list[int] = []
    batches: list[int] = []
    model = new(network)
    model.on("epoch_end", lambda context: epochs.append(context.epoch), every=3)
    model.on("batch_end", lambda context: batches.append(context.batch_number), every=4)

    for _ in range(3):
        model.fit(pair, epochs=2, batch_size=30)

    assert epochs == [3, 6]
    assert batches == [1, 2, 3, 1]


def test_a_resumed_fit_goes_on_counting(pair: Pair, network: Make, tmp_path: Any) -> None:
    def trained(**arguments: Any) -> list[tuple[int, int]]:
        heard: list[tuple[int, int]] = []
        model = new(network)
        model.on("batch_end", lambda context: heard.append((context.epoch, context.batch_number)), every=4)
        model.on("batch_end", lambda context: heard.append((0, 0)), once=True)
        model.fit(pair, batch_size=30, **arguments)
        model.save(tmp_path / "saved")
        return heard

    straight = trained(epochs=4)

    assert trained(epochs=2) + trained(epochs=4, resume=tmp_path / "saved") == straight == [
        (0, 0), (2, 1), (3, 2), (4, 3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"event": "epoch_ends"}, r"No event is called 'epoch_ends'\. Did you mean 'epoch_end'\?"),
        ({"event": "epoch_end", "every": 0}, "every must be a whole number of at least 1, got 0"),
        ({"event": "epoch_end", "every": "2"}, "every must be a whole number of at least 1, got '2'"),
        ({"event": "epoch_end", "at": 5}, r"at takes several times, such as \[1, 5\], got 5"),
        ({"event": "epoch_end", "loader": "train"}, "loader= is for batch_start and batch_end"),
        ({"event": "batch_end", "loader": "test"}, "No loader is called 'test'"),
    ],
)
def test_what_cannot_be_listened_to_is_refused(arguments: dict[str, Any], message: str, network: Make) -> None:
    with pytest.raises(SettingError, match=message):
        new(network).on(function=print, **arguments)


def test_events_of_ones_own_are_checked(network: Make) -> None:
    model = new(network)
    model.add_event("mine")

    with pytest.raises(SettingError, match="There is an event 'mine' already"):
        model.add_event("mine")
    with pytest.raises(SettingError, match="a Python name, got 'not so'"):
        model.add_event("not so")
    with pytest.raises(SettingError, match="The loop alone fires 'epoch_end'"):
        model.fire("epoch_end")
    with pytest.raises(SettingError, match="No event is called 'min'"):
        model.fire("min")


def test_models_share_no_listeners(pair: Pair, network: Make) -> None:
    heard: list[int] = []
    new(network).on("epoch_end", lambda context: heard.append(context.epoch))

    new(network).fit(pair, epochs=1)

    assert not heard


class Trace(Callback):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_exception(self, context: Context) -> None:
        self.heard.append(f"exception {type(context.error).__name__}")

    def on_fit_end(self, context: Context) -> None:
        self.heard.append("fit_end")


@pytest.mark.row("CB6")
def test_an_exception_names_the_function_and_the_event_and_the_fit_is_torn_down(pair: Pair, network: Make) -> None:
    trace, model = Trace(), new(network)

    def broken(context: Context) -> None:
        raise ValueError("no more")

    model.on("step_end", broken, at=[5])
    with pytest.raises(ValueError, match="no more") as caught:
        model.fit(pair, epochs=3, batch_size=30, callbacks=[trace])

    assert caught.value.__notes__[0].startswith("Raised by the callback test_an_exception_names_the_function")
    assert caught.value.__notes__[0].endswith("broken at the event 'step_end'.")
    assert trace.heard == ["exception ValueError", "fit_end"]
    assert len(model.fit(pair, epochs=1, batch_size=70)) == 2


@pytest.mark.row("CB6")
def test_all_are_torn_down_even_when_one_fails_at_it(pair: Pair, network: Make) -> None:
    class Broken(Callback):
        priority = -1

        def on_fit_end(self, context: Context) -> None:
            raise OSError("the disk is gone")

    trace, model = Trace(), new(network)
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(pair, epochs=1, callbacks=[Broken(), trace])

    assert trace.heard == ["fit_end"]
    assert len(model.fit(pair, epochs=1)) == 2


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C works, also where a shell has started the tests in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.row("CB6")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("event", ["step_end", "validation_batch_end"])
def test_ctrl_c_leaves_a_usable_model_with_its_history(event: str, pair: Pair, network: Make) -> None:
    trace, model = Trace(), new(network)
    model.on(event, lambda context: signal.raise_signal(signal.SIGINT), at=[5])
    with pytest.raises(KeyboardInterrupt):
        model.fit(pair, pair, epochs=9, batch_size=30, callbacks=[trace])

    assert trace.heard == ["exception KeyboardInterrupt", "fit_end"]
    assert [record.epoch for record in model.history] == [1]
    assert model.network.training
    assert model.predict(pair[0]).shape == (70, 2)
    assert [record.epoch for record in model.fit(pair, epochs=1)] == [1, 2]
