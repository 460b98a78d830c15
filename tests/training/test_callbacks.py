from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet import AutoModel, Choice, Tuner
from gradfleet.errors import DivergedError, SettingError, TrialStopped
from gradfleet.training.callbacks import CALLBACKS, Callback, Checkpoint, EarlyStopping, Progress, StopOnNaN, TimeLimit
from gradfleet.training.context import Context
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


class Losses(Callback):
    """Makes an epoch's validation loss what the test wants, by moving the weights of a network of one number."""

    may_log = False

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses

    def on_epoch_start(self, context: Context) -> None:
        nn.init.ones_(context.model.network.weight)

    def on_train_end(self, context: Context) -> None:
        nn.init.constant_(context.model.network.weight, math.sqrt(self.losses[context.epoch - 1]))


def fit_losses(losses: list[float], *callbacks: Callback, **compiled: Any) -> Model:
    """A model whose `val_loss` follows `losses`."""
    model = Model(nn.Linear(1, 1, bias=False)).compile("mse", optimizer="sgd", learning_rate=1e-9, **compiled)
    data = (torch.ones(4, 1), torch.zeros(4, 1))
    model.fit(data, data, epochs=len(losses), callbacks=[Losses(losses), *callbacks])
    return model


@pytest.mark.row("CB8")
def test_early_stopping_waits_for_its_patience_and_says_why_it_stopped() -> None:
    stopping = EarlyStopping("val_loss", patience=2)

    model = fit_losses([4.0, 1.0, 2.0, 3.0, 0.5, 0.1], stopping)

    assert len(model.history) == 4
    assert stopping.reason == "val_loss has not become better since epoch 2 (1), 2 epochs ago"
    assert model.stop_reason == stopping.reason


@pytest.mark.row("CB8")
@pytest.mark.parametrize(("restore", "weight"), [(True, 1.0), (False, math.sqrt(3.0))])
def test_early_stopping_puts_the_best_weights_back(restore: bool, weight: float) -> None:  # noqa: FBT001
    model = fit_losses([4.0, 1.0, 2.0, 3.0], EarlyStopping(patience=2, restore_best=restore))

    assert model.network.weight.item() == pytest.approx(weight)


@pytest.mark.row("CB8")
def test_early_stopping_counts_only_what_is_better_by_min_delta() -> None:
    model = fit_losses([4.0, 3.9, 3.8, 0.1], EarlyStopping(patience=2, min_delta=0.5))

    assert len(model.history) == 3


@pytest.mark.row("CB8")
def test_early_stopping_can_follow_a_metric_upwards() -> None:
    model = fit_losses([1.0, 4.0, 3.0, 2.0], EarlyStopping("val_mae", mode="max", patience=2))

    assert len(model.history) == 4
    assert model.network.weight.item() == pytest.approx(2.0)


@pytest.mark.row("CB8")
@pytest.mark.parametrize(
    ("deltas", "epochs"),
    [({"relative_delta": 0.1}, 5), ({"relative_delta": 0.1, "min_delta": 1.05}, 3), ({"min_delta": 0.5}, 6), ({}, 7)],
)
def test_early_stopping_counts_only_what_is_better_by_a_part_of_the_best(deltas: dict[str, float], epochs: int) -> None:
    model = fit_losses([9.0, 8.5, 8.0, 7.6, 7.3, 7.2, 7.1], EarlyStopping(patience=2, **deltas))

    assert len(model.history) == epochs


@pytest.mark.row("CB8")
def test_early_stopping_waits_for_every_one_of_several_metrics() -> None:
    stopping = EarlyStopping({"val_loss": "min", "val_mae": "max"}, patience=2)

    model = fit_losses([4.0, 1.0, 5.0, 3.0, 2.0, 0.1], stopping)

    assert len(model.history) == 5
    assert stopping.best.epoch == 2
    assert model.network.weight.item() == pytest.approx(1.0)
    assert model.stop_reason == ("val_loss and val_mae have not become better since epoch 3 (1, 2.23607), 2 epochs ago")


def test_a_loss_that_is_not_a_number_is_never_the_best() -> None:
    stopping = EarlyStopping(patience=3)

    model = fit_losses([math.nan, 4.0, math.nan, math.nan], stopping)

    assert stopping.best.epoch == 2
    assert model.network.weight.item() == pytest.approx(2.0)
    assert math.isnan(model.history[2]["val_mae"])


def test_a_fit_of_nothing_but_nan_stops_too() -> None:
    assert len(fit_losses([math.nan] * 5, EarlyStopping(patience=2)).history) == 2


@pytest.mark.parametrize(
    "callback", [EarlyStopping("val_los", mode="min"), Checkpoint("x", monitor="val_los", mode="min")]
)
def test_an_unknown_monitor_lists_those_there_are_before_the_first_batch(callback: Callback) -> None:
    heard: list[int] = []

    class Heard(Callback):
        may_log = False

        def on_batch_start(self, context: Context) -> None:
            heard.append(context.batch_number)

    with pytest.raises(SettingError, match=r"'val_los'\. Did you mean 'val_loss'\? Known: train_loss, .+val_mae"):
        fit_losses([1.0], callback, Heard())
    assert not heard


def test_an_unknown_monitor_is_found_at_the_first_record_when_a_step_is_the_users_own(
    pair: Pair, network: Make
) -> None:
    class Own(Model):
        def training_step(self, batch: Any) -> Any:
            return super().training_step(batch)

    with pytest.raises(SettingError, match=r"'val_loss', but the record has no such metric.+train_loss"):
        Own(network()).compile().fit(pair, epochs=1, callbacks=[EarlyStopping()])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping("val_accuracy"), "Say whether 'val_accuracy' is better high or low"),
        (lambda: EarlyStopping(patience=0), "patience of at least 1 epoch is needed, got 0"),
        (lambda: EarlyStopping(min_delta=-1.0), "min_delta must be at least 0, got -1.0"),
        (lambda: EarlyStopping(relative_delta=-0.5), "relative_delta must be at least 0, got -0.5"),
        (lambda: EarlyStopping({}), "a mode each, {'val_loss': 'min'}, got {} and mode=None"),
        (lambda: EarlyStopping({"val_loss": "min"}, mode="min"), "Several metrics have a mode each"),
        (lambda: Checkpoint("x", top=3), "To keep the 3 best epochs say by which metric"),
        (lambda: Checkpoint("x", every_steps=0), "every_steps must be above 0, got 0"),
        (lambda: EarlyStopping(mode="up"), "mode is 'min' or 'max', got 'up'"),  # type: ignore[arg-type]
    ],
)
def test_settings_of_callbacks_are_checked_at_birth(make: Callable[[], Callback], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make()


def test_one_early_stopping_serves_several_fits() -> None:
    stopping = EarlyStopping(patience=1)
    fit_losses([1.0, 2.0, 3.0], stopping)

    assert len(fit_losses([9.0, 8.0, 7.0], stopping).history) == 3
    assert stopping.reason is None


def test_checkpoint_keeps_the_last_and_the_best_epoch(tmp_path: Path) -> None:
    fit_losses([4.0, 1.0, 2.0], Checkpoint(tmp_path, monitor="val_loss"))

    assert sorted(place.name for place in tmp_path.iterdir()) == ["best", "last"]
    best, last = (Model.load(tmp_path / name, nn.Linear(1, 1, bias=False)) for name in ("best", "last"))
    assert (best.epoch, last.epoch) == (2, 3)
    assert best.network.weight.item() == pytest.approx(1.0)


def test_checkpoint_without_a_monitor_keeps_the_last_epoch_alone(tmp_path: Path) -> None:
    fit_losses([4.0, 1.0], Checkpoint(tmp_path))

    assert [place.name for place in tmp_path.iterdir()] == ["last"]


def kept(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir())


@pytest.mark.row("CB9")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["last"]),
        ({"last": False, "monitor": "val_loss"}, ["best"]),
        ({"last": False, "monitor": "val_loss", "top": 3}, ["best-2", "best-5", "best-6"]),
        ({"monitor": "val_mae", "mode": "max", "top": 2}, ["best-1", "best-3", "last"]),
        ({"every_epochs": 2}, ["epoch-2", "epoch-4", "epoch-6", "last"]),
        ({"every_epochs": 4, "last": False}, ["epoch-4"]),
        ({"every_steps": 5}, ["last", "step-10", "step-5"]),
        ({"every_minutes": 2.5, "last": False}, ["time-12", "time-3", "time-6", "time-9"]),
        ({"on_exception": True}, ["last"]),
    ],
)
def test_checkpoint_keeps_exactly_these(
    arguments: dict[str, Any], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = itertools.count()
    if "every_minutes" in arguments:  # a minute at the start, then one at every step
        clock = SimpleNamespace(monotonic=lambda: 60.0 * next(minutes))
        monkeypatch.setattr("gradfleet.training.callbacks.checkpoint.time", clock)
    model = Model(nn.Linear(1, 1, bias=False)).compile("mse", optimizer="sgd", learning_rate=1e-9)
    data = (torch.ones(4, 1), torch.zeros(4, 1))

    losses = Losses([4.0, 1.0, 3.0, 2.5, 0.5, 2.0])
    model.fit(data, data, epochs=6, batch_size=2, callbacks=[losses, Checkpoint(tmp_path, **arguments)])

    assert kept(tmp_path) == expected


@pytest.mark.row("CB9")
def test_the_kept_epochs_are_the_ones_that_their_names_say(tmp_path: Path) -> None:
    fit_losses([4.0, 1.0, 3.0, 0.5], Checkpoint(tmp_path, monitor="val_loss", top=2, every_steps=3, every_epochs=3))

    assert kept(tmp_path) == ["best-2", "best-4", "epoch-3", "last", "step-3"]
    found = {name: Model.load(tmp_path / name, nn.Linear(1, 1, bias=False)) for name in kept(tmp_path)}
    assert {name: model.epoch for name, model in found.items()} == {
        "best-2": 2, "best-4": 4, "epoch-3": 3, "last": 4, "step-3": 2
    }  # fmt: skip
    assert found["best-2"].network.weight.item() == pytest.approx(1.0)


@pytest.mark.row("CB9")
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_checkpoint_keeps_the_model_that_an_exception_leaves(error: type[BaseException], tmp_path: Path) -> None:
    class Fails(Callback):
        def on_step_end(self, context: Context) -> None:
            if context.epoch == 3:
                raise error

    with pytest.raises(error):
        fit_losses([4.0, 1.0, 3.0], Fails(), Checkpoint(tmp_path, last=False, on_exception=True))

    assert kept(tmp_path) == ["exception"]
    assert Model.load(tmp_path / "exception", nn.Linear(1, 1, bias=False)).epoch == 2


def test_a_trial_that_is_stopped_in_the_middle_of_a_batch_leaves_a_model_that_can_be_kept(tmp_path: Path) -> None:
    class Stops(Callback):
        def on_step_end(self, context: Context) -> None:
            if context.epoch == 3:
                raise TrialStopped

    model = Model(nn.Linear(1, 1, bias=False)).compile("mse", optimizer="sgd", learning_rate=1e-9)
    with pytest.raises(TrialStopped):
        model.fit((torch.ones(4, 1), torch.zeros(4, 1)), epochs=4, batch_size=1, callbacks=[Stops()])
    model.save(tmp_path / "kept")
    assert Model.load(tmp_path / "kept", nn.Linear(1, 1, bias=False)).epoch == 2


@pytest.mark.row("CB9")
def test_a_resumed_fit_goes_on_keeping_the_best_ones(tmp_path: Path) -> None:
    data = (torch.ones(4, 1), torch.zeros(4, 1))

    def fit(**arguments: Any) -> None:
        model = Model(nn.Linear(1, 1, bias=False)).compile("mse", optimizer="sgd", learning_rate=1e-9)
        checkpoint = Checkpoint(tmp_path, monitor="val_loss", top=2, every_steps=3)
        model.fit(data, data, callbacks=[Losses([1.0, 4.0, 3.0, 2.0]), checkpoint], **arguments)

    fit(epochs=2)
    assert kept(tmp_path) == ["best-1", "best-2", "last"]
    fit(epochs=4, resume=tmp_path / "last")
    assert kept(tmp_path) == ["best-1", "best-4", "last", "step-3"]


def nan_at(batch: int) -> Callback:
    class Diverges(Callback):
        heard = 0

        def on_loss_end(self, context: Context) -> None:
            self.heard += 1
            if self.heard == batch:
                context.loss = context.loss * math.nan

        def on_step_end(self, context: Context) -> None:
            steps.append(context.batch_number)

    steps: list[int] = []
    callback = Diverges()
    callback.steps = steps  # type: ignore[attr-defined]
    return callback


@pytest.mark.row("CB10")
def test_nan_stops_within_one_batch_and_leaves_the_weights_whole(pair: Pair, network: Make) -> None:
    model, diverges = Model(network()).compile(), nan_at(5)

    with pytest.raises(DivergedError, match=r"The loss is nan in batch 2 of epoch 2\. Try a lower learning rate"):
        model.fit(pair, epochs=9, batch_size=30, callbacks=[diverges, StopOnNaN()])

    assert diverges.steps == [1, 2, 3, 1]  # type: ignore[attr-defined]
    assert model.predict(pair[0]).isfinite().all()


@pytest.mark.row("CB10")
def test_nan_marks_the_trial_as_failed_and_the_search_goes_on(pair: Pair, tmp_path: Path) -> None:
    def build(input_shape: tuple[int, ...], num_outputs: int, *, broken: bool = False) -> nn.Module:
        network = nn.Linear(*input_shape, num_outputs)
        nn.init.constant_(network.weight, math.nan if broken else 0.0)
        return network

    tuner = Tuner()
    tuner.architecture("linear", build, broken=Choice(False, True))
    broken = {"architecture": "linear", "architecture.linear.broken": True}
    study = (
        AutoModel(tuner)
        .compile(callbacks=[StopOnNaN])
        .fit(
            (pair[0].numpy(), pair[1].numpy()),
            trials=2,
            epochs=1,
            portfolio=[broken],
            cluster="inline",
            store=tmp_path / "store.db",
            progress=False,
        )
    )

    assert [trial.state for trial in study.trials] == ["COMPLETE", "FAIL"]
    assert "DivergedError: The loss is nan in batch 1 of epoch 1" in (study.trials[1].traceback or "")


class Slow(Callback):
    """Every training batch takes its time."""

    def on_batch_start(self, context: Context) -> None:
        time.sleep(0.01)


@pytest.mark.row("CB10")
def test_a_time_limit_stops_within_one_batch_and_the_cut_epoch_gives_no_record(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    limit = TimeLimit(time.time() + 0.5)

    model.fit(pair, pair, epochs=1000, batch_size=10, callbacks=[Slow(), limit])

    assert time.time() - limit.deadline < 0.5
    assert model.stop_reason == "the time limit is reached"
    assert 0 < len(model.history) < 20
    assert model.epoch == len(model.history)


def test_a_time_limit_in_seconds_from_now_is_refused() -> None:
    with pytest.raises(SettingError, match=r"Unix seconds, such as time.time\(\) \+ 60, got 90"):
        TimeLimit(90)


def test_a_time_limit_that_is_over_already_still_gives_one_record(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()

    model.fit(pair, pair, epochs=5, batch_size=10, callbacks=[TimeLimit(time.time() - 1)])

    assert [record.epoch for record in model.history] == [1]
    assert model.evaluate(pair)["accuracy"] == model.history[0]["val_accuracy"]


def test_a_time_limit_that_is_over_leaves_a_model_with_records_alone(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    model.fit(pair, epochs=1)
    before = model.predict(pair)

    model.fit(pair, epochs=1, callbacks=[TimeLimit(time.time() - 1)])

    assert len(model.history) == 1
    assert torch.equal(model.predict(pair), before)


def test_progress_prints_a_line_an_epoch_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    fit_losses([4.0, 1.0], Progress(), EarlyStopping(patience=1))

    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("epoch 1/2  train_loss ")
    assert "val_loss 4  val_mae 2" in first
    assert second.startswith("epoch 2/2")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)


def on_screen(text: str) -> list[str]:
    """The lines that stay on a terminal, without what colours them and moves its cursor."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    lines = [line.split("\r")[-1].rstrip() for line in plain.split("\n")]
    return [line for line in lines if line and "\u2501" not in line]


@pytest.mark.row("UX3")
@pytest.mark.usefixtures("terminal")
def test_a_plain_fit_shows_a_table_that_grows_by_a_row_an_epoch_on_a_terminal(
    pair: Pair, network: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(network()).compile(metrics=["accuracy"])
    model.on("epoch_start", lambda context: context.log("late", 7.0), after=1)

    model.fit(pair, pair, epochs=3)

    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 2/3" in err, "the bar of an epoch"
    first, one, second, two, three = on_screen(err)
    assert first.split() == [
        "epoch", "train_loss", "train_accuracy", "train_seconds", "val_loss", "val_accuracy"
    ]  # fmt: skip
    assert one.split()[0] == "1/3"
    assert float(one.split()[5]) == pytest.approx(model.history[0]["val_accuracy"], rel=1e-3)
    assert len(one) == len(first), "columns stand under their names"
    assert second.split() == [*first.split(), "late"], "a new name gives the table a new head"
    assert [line.split()[0] for line in (two, three)] == ["2/3", "3/3"]
    assert two.split()[-1] == "7"
    assert len(two) == len(second)


@pytest.mark.row("UX3")
def test_a_fit_that_is_told_to_be_quiet_is(pair: Pair, network: Make, capsys: pytest.CaptureFixture[str]) -> None:
    model = Model(network()).compile()

    model.fit(pair, epochs=1, progress=False)
    assert capsys.readouterr() == ("", "")
    model.fit(pair, epochs=1, callbacks=[Progress()])
    assert len(capsys.readouterr().err.splitlines()) == 1, "one that is given is not shown twice"


def test_progress_says_why_a_fit_was_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    fit_losses([1.0, 2.0, 3.0], Progress(), EarlyStopping(patience=1))

    assert capsys.readouterr().err.splitlines()[-1].startswith("stopped: val_loss has not become better")


@pytest.mark.row("UX3")
def test_progress_prints_a_line_an_interval_in_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr("gradfleet.training.callbacks.faces.time", clock)  # each event takes a second

    fit_losses([4.0, 3.0, 2.0, 1.0, 0.5], Progress(seconds=3.0))

    lines = [line.split("  ")[:2] for line in capsys.readouterr().err.splitlines()]
    assert [(title, what.split()[0]) for title, what in lines] == [
        ("epoch 2/5", "batch"),
        ("epoch 3/5", "train_loss"),
        ("epoch 5/5", "batch"),
        ("epoch 5/5", "train_loss"),
    ]


@pytest.mark.row("UX3")
def test_progress_shows_a_table_in_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []

    fit_losses([1.0, 4.0], Progress(show=shown.append), EarlyStopping(patience=1))

    assert capsys.readouterr().err == ""
    assert [text.count("<tr>") for text in shown] == [2, 3, 3]
    assert "<p>epoch 1/2</p>" in shown[0]
    assert "<th>val_loss</th>" in shown[1]
    assert "<td>4</td>" in shown[1]
    assert "<p>stopped: val_loss has not become better" in shown[2]


def test_built_in_callbacks_have_names() -> None:
    assert {"checkpoint", "early_stopping", "progress", "stop_on_nan", "time_limit"} <= set(CALLBACKS)
    assert list(CALLBACKS) == sorted(CALLBACKS)
    assert all(issubclass(one, Callback) for one in CALLBACKS.values())
