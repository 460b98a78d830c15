from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import CALLBACKS, Callback, Checkpoint, EarlyStopping, Progress, TimeLimit
from gradfleet.training.context import Context
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


class Losses(Callback):
    """Makes an epoch's validation loss what the test wants, by moving the weights of a network of one number."""

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


@pytest.mark.row_part("CB8")
def test_early_stopping_waits_for_its_patience_and_says_why_it_stopped() -> None:
    stopping = EarlyStopping("val_loss", patience=2)

    model = fit_losses([4.0, 1.0, 2.0, 3.0, 0.5, 0.1], stopping)

    assert len(model.history) == 4
    assert stopping.reason == "val_loss has not become better since epoch 2 (1), 2 epochs ago"
    assert model.stop_reason == stopping.reason


@pytest.mark.row_part("CB8")
@pytest.mark.parametrize(("restore", "weight"), [(True, 1.0), (False, math.sqrt(3.0))])
def test_early_stopping_puts_the_best_weights_back(restore: bool, weight: float) -> None:  # noqa: FBT001
    model = fit_losses([4.0, 1.0, 2.0, 3.0], EarlyStopping(patience=2, restore_best=restore))

    assert model.network.weight.item() == pytest.approx(weight)


@pytest.mark.row_part("CB8")
def test_early_stopping_counts_only_what_is_better_by_min_delta() -> None:
    model = fit_losses([4.0, 3.9, 3.8, 0.1], EarlyStopping(patience=2, min_delta=0.5))

    assert len(model.history) == 3


@pytest.mark.row_part("CB8")
def test_early_stopping_can_follow_a_metric_upwards() -> None:
    model = fit_losses([1.0, 4.0, 3.0, 2.0], EarlyStopping("val_mae", mode="max", patience=2))

    assert len(model.history) == 4
    assert model.network.weight.item() == pytest.approx(2.0)


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


class Slow(Callback):
    """Every training batch takes its time."""

    def on_batch_start(self, context: Context) -> None:
        time.sleep(0.01)


def test_a_time_limit_stops_within_one_batch_and_the_cut_epoch_gives_no_record(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    limit = TimeLimit(time.time() + 0.5)

    model.fit(pair, pair, epochs=1000, batch_size=10, callbacks=[Slow(), limit])

    assert time.time() - limit.deadline < 0.5
    assert model.stop_reason == "the time limit is reached"
    assert 0 < len(model.history) < 20
    assert model.epoch == len(model.history)


def test_a_time_limit_that_is_over_already_still_gives_one_record(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()

    model.fit(pair, pair, epochs=5, batch_size=10, callbacks=[TimeLimit(0.0)])

    assert [record.epoch for record in model.history] == [1]
    assert model.evaluate(pair)["accuracy"] == model.history[0]["val_accuracy"]


def test_a_time_limit_that_is_over_leaves_a_model_with_records_alone(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    model.fit(pair, epochs=1)
    before = model.predict(pair)

    model.fit(pair, epochs=1, callbacks=[TimeLimit(0.0)])

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


def test_progress_draws_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    fit_losses([4.0, 1.0], Progress())

    assert "epoch 2/2" in capsys.readouterr().err


def test_progress_says_why_a_fit_was_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    fit_losses([1.0, 2.0, 3.0], Progress(), EarlyStopping(patience=1))

    assert capsys.readouterr().err.splitlines()[-1].startswith("stopped: val_loss has not become better")


def test_built_in_callbacks_have_names() -> None:
    assert set(CALLBACKS) == {"checkpoint", "early_stopping", "progress", "time_limit"}
    assert all(issubclass(one, Callback) for one in CALLBACKS.values())
