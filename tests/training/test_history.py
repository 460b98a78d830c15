from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import (
    BatchHistory,
    Callback,
    Checkpoint,
    CSVTracker,
    EarlyStopping,
    LossStatistics,
    Profile,
)
from gradfleet.training.context import Context
from gradfleet.training.history import EpochRecord, History
from gradfleet.training.model import Model
from gradfleet.training.replay import replay

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


class Losses(Callback):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_batch_end(self, context: Context) -> None:
        assert context.loss is not None
        self.seen.append(context.loss.item())


def fit(pair: Pair, network: Make, *callbacks: Callback, epochs: int = 3) -> Model:
    model = Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
    model.fit(pair, pair, epochs=epochs, batch_size=30, callbacks=callbacks)
    return model


@pytest.mark.row("TP1")
def test_a_history_has_epochs_and_when_asked_for_batches(pair: Pair, network: Make) -> None:
    losses = Losses()

    history = fit(pair, network, losses, BatchHistory()).history

    assert [list(record.batches["loss"]) for record in history] == [losses.seen[:3], losses.seen[3:6], losses.seen[6:]]
    frame = history.to_batch_frame()
    assert list(frame.index) == [(epoch, batch) for epoch in (1, 2, 3) for batch in (1, 2, 3)]
    assert frame["loss"].tolist() == losses.seen
    assert list(history.to_frame().index) == [1, 2, 3]
    assert history.to_frame()["val_loss"].tolist() == history.values("val_loss")
    assert all(not record.batches for record in fit(pair, network).history)


@pytest.mark.row("TP1")
def test_a_history_can_be_sliced(pair: Pair, network: Make) -> None:
    history = fit(pair, network, BatchHistory()).history

    part = history[1:]

    assert isinstance(part, History)
    assert [record.epoch for record in part] == [2, 3]
    assert part.to_batch_frame().equals(history.to_batch_frame().loc[[2, 3]])
    assert history[-1] == part[-1]


@pytest.mark.row("TP1")
def test_a_history_survives_json_and_a_checkpoint(pair: Pair, network: Make, tmp_path: Path) -> None:
    model = fit(pair, network, BatchHistory(), Checkpoint(tmp_path))

    for again in (History.from_json(model.history.to_json()), Model.load(tmp_path / "last", network()).history):
        pandas.testing.assert_frame_equal(again.to_frame(), model.history.to_frame())
        pandas.testing.assert_frame_equal(again.to_batch_frame(), model.history.to_batch_frame())


def test_an_empty_history_gives_empty_tables() -> None:
    assert History().to_batch_frame().empty
    assert History().to_batch_frame().index.names == ["epoch", "batch"]
    assert History.from_json('[{"epoch": 1, "metrics": {"a": 1.0}}]')[0] == EpochRecord(1, {"a": 1.0})


class Trace(Callback):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_fit_start(self, context: Context) -> None:
        self.heard.append("fit_start")

    def on_epoch_start(self, context: Context) -> None:
        self.heard.append(f"epoch_start {context.epoch}/{context.total_epochs}")

    def on_batch_end(self, context: Context) -> None:
        self.heard.append(f"batch_end {context.batch_number}/{context.num_batches}")

    def on_validation_end(self, context: Context) -> None:
        self.heard.append(f"validation_end {sorted(context.metrics)[-1]}")

    def on_epoch_end(self, context: Context) -> None:
        assert context.record is context.history[-1]
        self.heard.append(f"epoch_end {len(context.history)}")

    def on_fit_end(self, context: Context) -> None:
        self.heard.append("fit_end")


@pytest.mark.row("TP8")
def test_a_replay_tells_a_new_callback_what_it_would_have_heard(pair: Pair, network: Make) -> None:
    live, told = Trace(), Trace()
    model = fit(pair, network, live, BatchHistory(), epochs=2)

    replay(History.from_json(model.history.to_json()), [told])

    assert told.heard == live.heard


@pytest.mark.row("TP8")
def test_a_replay_feeds_ready_made_callbacks_without_training(pair: Pair, network: Make, tmp_path: Path) -> None:
    history = fit(pair, network, BatchHistory(), CSVTracker(tmp_path / "live")).history
    calls: list[Callback] = [CSVTracker(tmp_path / "told"), LossStatistics()]

    assert replay(history, calls) is None

    files = [next((tmp_path / place).rglob("*.csv")).read_text() for place in ("live", "told")]
    assert files[0] == files[1]


@pytest.mark.row("TP8")
def test_a_replay_ends_where_a_callback_stops_it() -> None:
    history = History(EpochRecord(epoch, {"val_loss": loss}) for epoch, loss in enumerate([3.0, 1, 2, 4, 0], start=1))
    trace, stopping = Trace(), EarlyStopping(patience=2, restore_best=False)

    assert replay(history, [stopping, trace]) == stopping.reason
    assert trace.heard[-2:] == ["epoch_end 4", "fit_end"]


def test_a_replay_without_a_model_says_who_needs_one(tmp_path: Path) -> None:
    history = History([EpochRecord(1, {"val_loss": 1.0})])
    with pytest.raises(SettingError, match="which a replay has not: give replay its model=") as caught:
        replay(history, [Checkpoint(tmp_path)])
    assert caught.value.__notes__ == ["Raised by the callback Checkpoint at the event 'epoch_end'."]
    assert replay(history, [Checkpoint(tmp_path)], model=Model(nn.Linear(1, 1))) is None


@pytest.mark.row("UX6")
def test_the_profile_adds_up_to_the_time_of_the_fit(pair: Pair, network: Make) -> None:
    profile = Profile()
    model = Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
    model.on("batch_start", lambda context: time.sleep(0.002))
    data = (pair[0].repeat(10, 1), pair[1].repeat(10))

    started = time.perf_counter()
    model.fit(data, data, epochs=3, batch_size=10, callbacks=[profile])
    wall = time.perf_counter() - started

    table = profile.table()
    assert 0.95 * wall <= table["seconds"].sum() <= wall
    assert table["share"].sum() == pytest.approx(1)
    assert table.loc[["forward", "loss", "backward", "step"], "times"].tolist() == [210] * 4
    assert table["seconds"].idxmax() == "forward"
    assert table.loc["validation", "times"] == 3
