from __future__ import annotations

import csv
import json
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import (
    AccelerateTracker,
    Callback,
    Checkpoint,
    CSVTracker,
    EarlyStopping,
    Run,
    Tracker,
)
from gradfleet.training.history import History
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]
RUN = Run("study", "trial-3", {"learning_rate": 0.1, "name": "mlp", "none": None})


def fit(pair: Pair, network: Make, *callbacks: Any, epochs: int = 3) -> History:
    model = Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
    return model.fit(pair, pair, epochs=epochs, callbacks=callbacks)


@pytest.mark.row("TP2")
def test_csv_holds_the_logged_values_with_config_and_state(pair: Pair, network: Make, tmp_path: Path) -> None:
    import pandas

    tracker = CSVTracker(tmp_path, RUN)

    history = fit(pair, network, tracker)

    assert tracker.place == tmp_path / "study" / "trial-3"
    assert pandas.read_csv(tracker.place / "metrics.csv", index_col="epoch").equals(history.to_frame())
    assert json.loads((tracker.place / "run.json").read_text()) == {
        "group": "study",
        "run": "trial-3",
        "state": "completed",
        "config": {"learning_rate": 0.1, "name": "mlp", "none": None},
    }


@pytest.mark.row("TP2")
def test_a_csv_of_a_resumed_fit_has_every_epoch_once(pair: Pair, network: Make, tmp_path: Path) -> None:
    def callbacks() -> list[Callback]:
        return [CSVTracker(tmp_path / "runs"), Checkpoint(tmp_path / "kept", every_epochs=2)]

    Model(network()).compile().fit(pair, pair, epochs=3, callbacks=callbacks())
    with (tmp_path / "runs" / "gradfleet" / "run" / "metrics.csv").open("a", encoding="utf-8") as file:
        file.write("1,0.5")  # where the process was killed
    resumed = Model(network()).compile()
    resumed.fit(pair, pair, epochs=5, callbacks=callbacks(), resume=tmp_path / "kept" / "epoch-2")

    text = (tmp_path / "runs" / "gradfleet" / "run" / "metrics.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(text.splitlines()))
    assert [int(line["epoch"]) for line in lines] == [1, 2, 3, 4, 5]
    assert [float(line["val_loss"]) for line in lines] == resumed.history.values("val_loss")


@pytest.mark.row("TP2")
def test_a_metric_that_comes_later_gets_a_column(tmp_path: Path) -> None:
    tracker = CSVTracker(tmp_path)
    tracker.start(tracker.run)
    tracker.log({"a": 1.0}, 1)
    tracker.log({"a": 2.0, "b": 0.5}, 2)
    tracker.log({"b": 0.25}, 3)

    text = (tmp_path / "gradfleet" / "run" / "metrics.csv").read_text()
    assert text.split() == ["epoch,a,b", "1,1.0,", "2,2.0,0.5", "3,,0.25"]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.row("TP2")
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_holds_the_logged_values(pair: Pair, network: Make, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: gradfleet[trackers]")

    history = fit(pair, network, AccelerateTracker("tensorboard", RUN, folder=tmp_path))

    found = scalars(tmp_path / "study" / "trial-3")
    assert set(found) >= set(history[0].metrics)
    for name in history[0].metrics:
        assert found[name] == [(record.epoch, pytest.approx(record[name])) for record in history]


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLflow that writes to a store of the test's own."""
    found = pytest.importorskip("mlflow", reason="mlflow is not installed: gradfleet[trackers]")
    monkeypatch.chdir(tmp_path)
    found.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    return found


def runs_of_study(client: Any) -> list[Any]:
    (experiment,) = [one for one in client.search_experiments() if one.name == "study"]
    return list(client.search_runs([experiment.experiment_id]))


@pytest.mark.row("TP2")
@pytest.mark.filterwarnings("ignore")
def test_mlflow_holds_the_logged_values(pair: Pair, network: Make, mlflow: Any) -> None:
    history = fit(pair, network, AccelerateTracker("mlflow", RUN))
    with pytest.raises(SettingError):
        fit(pair, network, AccelerateTracker("mlflow", Run("study", "trial-4")), EarlyStopping("unknown", mode="min"))
    fit(pair, network, AccelerateTracker("mlflow", Run("study", "trial-5")))

    client = mlflow.MlflowClient()
    runs = {run.info.run_name: run for run in runs_of_study(client)}
    assert {name: run.info.status for name, run in runs.items()} == {
        "trial-3": "FINISHED",
        "trial-5": "FINISHED",
    }
    assert runs["trial-3"].data.params == {"learning_rate": "0.1", "name": "mlp", "none": "None"}
    assert runs["trial-3"].data.tags["state"] == "completed"
    logged = client.get_metric_history(runs["trial-3"].info.run_id, "val_loss")
    assert [(one.step, one.value) for one in logged] == [(record.epoch, record["val_loss"]) for record in history]


@pytest.mark.row("TP2")
@pytest.mark.filterwarnings("ignore")
def test_a_resumed_fit_goes_on_with_its_run_of_mlflow_and_a_copy_of_it_does_not(
    pair: Pair, network: Make, tmp_path: Path, mlflow: Any
) -> None:
    resume(pair, network, tmp_path / "kept", lambda: AccelerateTracker("mlflow", RUN))
    copy = Model(network()).compile()
    tracker = AccelerateTracker("mlflow", Run("study", "trial-4"))
    copy.fit(pair, epochs=4, callbacks=[tracker], resume=tmp_path / "kept" / "epoch-2")

    client = mlflow.MlflowClient()
    runs = {run.info.run_name: run.info for run in runs_of_study(client)}
    steps = {
        name: [one.step for one in client.get_metric_history(run.run_id, "train_loss")] for name, run in runs.items()
    }
    assert len(runs_of_study(client)) == 2
    assert steps == {"trial-3": [1, 2, 3], "trial-4": [3, 4]}
    assert {run.status for run in runs.values()} == {"FINISHED"}


@pytest.mark.row("TP2")
@pytest.mark.filterwarnings("ignore")
def test_a_resumed_fit_goes_on_with_its_run_of_weights_and_biases(
    pair: Pair, network: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: gradfleet[trackers]")
    monkeypatch.setenv("WANDB_SILENT", "true")

    def tracker() -> AccelerateTracker:
        return AccelerateTracker("wandb", RUN, folder=tmp_path, options={"mode": "offline"})

    resume(pair, network, tmp_path / "kept", tracker)
    fit(pair, network, tracker())

    # offline-run-DATE-ID, and a number behind it where one run began twice within a second
    ids = [folder.name.split("-")[3] for folder in sorted(tmp_path.glob("wandb/offline-run-*"))]
    assert (len(ids), len(set(ids))) == (3, 2), "the resumed fit is the same run, one that begins anew is another"


def resume(pair: Pair, network: Make, kept: Path, tracker: Callable[[], Callback]) -> None:
    """Two epochs, and a third one in a fit that goes on from them."""
    Model(network()).compile().fit(pair, epochs=2, callbacks=[tracker(), Checkpoint(kept, every_epochs=2)])
    Model(network()).compile().fit(pair, epochs=3, callbacks=[tracker()], resume=kept / "epoch-2")


def transaction_records(data: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log: blocks of 32 KiB, each part with checksum, length and kind before it."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # the rest of a block is padding
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""


def logged(folder: Path) -> tuple[list[tuple[int, float]], str | None]:
    """Each step with its validation loss, and the state in the end, as they lie in a run's offline file."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    rows, state = [], None
    for data in transaction_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        if "val_loss" in row:
            rows.append((row["_step"], row["val_loss"]))
        state = row.get("state", state)
    return rows, state


@pytest.mark.row("TP2")
@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_offline_holds_the_logged_values(
    pair: Pair, network: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: gradfleet[trackers]")

    monkeypatch.setenv("WANDB_SILENT", "true")
    history = fit(pair, network, AccelerateTracker("wandb", RUN, folder=tmp_path, options={"mode": "offline"}))

    rows, state = logged(tmp_path)
    given_up = time.monotonic() + 60
    while state is None and time.monotonic() < given_up:  # a process of wandb's own writes the file
        time.sleep(0.1)
        rows, state = logged(tmp_path)
    assert rows == [(record.epoch, pytest.approx(record["val_loss"])) for record in history]
    assert state == "completed"


class Kept(Tracker):
    """Keeps what it is told."""

    def __init__(self, run: Run | None = None) -> None:
        super().__init__(run)
        self.told: list[Any] = []

    def start(self, run: Run) -> None:
        self.told.append((run.group, run.name))

    def log(self, values: Any, step: int) -> None:
        self.told.append(step)

    def finish(self, state: str) -> None:
        self.told.append(state)


@pytest.mark.row("TP2")
def test_a_tracker_of_ones_own_is_told_how_every_fit_ended(pair: Pair, network: Make) -> None:
    tracker = Kept(RUN)
    fit(pair, network, tracker, epochs=2)
    tracker.run = Run("study", "trial-4")
    model = Model(network()).compile()
    model.on("epoch_end", lambda context: context.stop("enough"))
    model.fit(pair, epochs=3, callbacks=[tracker])
    model.on("epoch_start", lambda context: int("broken"))
    with pytest.raises(ValueError, match="broken"):
        model.fit(pair, epochs=3, callbacks=[tracker])

    assert tracker.told == [
        ("study", "trial-3"), 1, 2, "completed",
        ("study", "trial-4"), 1, "stopped: enough",
        ("study", "trial-4"), "failed: ValueError: invalid literal for int() with base 10: 'broken'",
    ]  # fmt: skip


@pytest.mark.row("TP2")
def test_a_run_is_closed_when_its_fit_is_left_in_the_middle(pair: Pair, network: Make) -> None:
    tracker = Kept()
    for _ in Model(network()).compile().epochs(pair, epochs=5, callbacks=[tracker]):
        break

    assert tracker.told == [("gradfleet", "run"), 1, "ended early"]


def test_an_unknown_tracker_lists_those_there_are() -> None:
    with pytest.raises(SettingError, match=r"No tracker is called 'tensorbord'\. Did you mean 'tensorboard'\?"):
        AccelerateTracker("tensorbord")


def test_every_name_is_one_that_accelerate_offers() -> None:
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    from gradfleet.training.callbacks.trackers import NAMES

    assert set(NAMES) == set(LOGGER_TYPE_TO_CLASS)


def test_a_tracker_that_is_not_installed_says_what_to_install(pair: Pair, network: Make, tmp_path: Path) -> None:
    with pytest.raises(ImportError, match=r'comet_ml needs it installed: pip install "gradfleet\[trackers\]"'):
        fit(pair, network, AccelerateTracker("comet_ml", folder=tmp_path))
