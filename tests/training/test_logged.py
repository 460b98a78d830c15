"""What steps and callbacks log, and the metrics that a kind of problem brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import (
    AccelerateTracker,
    BatchHistory,
    Callback,
    Checkpoint,
    CSVTracker,
    EarlyStopping,
    Progress,
    Run,
    Tracker,
)
from gradfleet.training.context import Context
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


class Everywhere(Model):
    """Logs from every step that there is."""

    def training_step(self, batch: Any) -> Any:
        self.log("inputs", batch[0].mean(), on_step=True)
        return super().training_step(batch)

    def validation_step(self, batch: Any) -> Any:
        self.log("inputs", batch[0].mean())
        return super().validation_step(batch)

    def backward(self, loss: torch.Tensor, network: str | None = None) -> None:
        self.log("largest_loss", loss, reduce="max")
        super().backward(loss, network)

    def optimizer_step(self) -> None:
        super().optimizer_step()
        self.log("steps", 1, reduce="sum")


class Twice(Callback):
    def on_validation_end(self, context: Context) -> None:
        context.log("twice", 2 * context.metrics["val_loss"])


LOGGED = ("train_inputs", "val_inputs", "train_largest_loss", "train_steps", "twice")


@pytest.mark.row("ME6")
def test_what_any_step_or_callback_logs_is_in_progress_history_and_every_tracker(
    pair: Pair, network: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Kept(Tracker):
        def start(self, run: Run) -> None: ...

        def log(self, values: Mapping[str, float], step: int) -> None:
            kept.append(dict(values))

        def finish(self, state: str) -> None: ...

    kept: list[dict[str, float]] = []
    shown: list[str] = []
    csv = CSVTracker(tmp_path)
    own = [Twice(), Kept(), csv, Progress(), Progress(show=shown.append), BatchHistory()]

    history = Everywhere(network()).compile().fit(pair, pair, epochs=2, batch_size=32, callbacks=own)

    assert [set(record.metrics) for record in history] == [set(history[0].metrics)] * 2
    assert set(LOGGED) <= set(history[0].metrics)
    assert history[0]["train_steps"] == 3
    assert kept == [dict(record.metrics) for record in history]
    assert set(LOGGED) <= set((csv.place / "metrics.csv").read_text().splitlines()[0].split(","))
    lines = capsys.readouterr().err.splitlines()
    assert all(
        f"  {name} {record[name]:.4g}" in line for record, line in zip(history, lines, strict=True) for name in LOGGED
    )
    assert all(f"<th>{name}</th>" in shown[-1] for name in LOGGED)
    assert all(one.on_epoch_end is Tracker.on_epoch_end for one in (AccelerateTracker, CSVTracker))
    assert len(history[0].batches["inputs"]) == len(history[0].batches["loss"]) == 3


@pytest.mark.row("ME6")
@pytest.mark.parametrize("monitor", LOGGED)
def test_any_callback_can_follow_what_a_step_or_a_callback_logs(
    monitor: str, pair: Pair, network: Make, tmp_path: Path
) -> None:
    following = [EarlyStopping(monitor, mode="min"), Checkpoint(tmp_path, monitor=monitor, mode="min")]
    model = Everywhere(network()).compile()

    history = model.fit(pair, pair, epochs=2, callbacks=[*following, Twice()])

    assert following[0].best.value == min(history.values(monitor))
    assert (tmp_path / "best").is_dir()


@pytest.mark.row("ME6")
@pytest.mark.parametrize("model", [Model, Everywhere])
def test_a_callbacks_value_is_waited_for_and_an_unknown_one_lists_those_there_are(
    model: type[Model], pair: Pair, network: Make
) -> None:
    with pytest.raises(SettingError, match=r"'twise', but the record has no such metric.+ twice, .+ val_loss"):
        model(network()).compile().fit(pair, pair, epochs=2, callbacks=[EarlyStopping("twise", mode="min"), Twice()])
    with pytest.raises(SettingError, match=r"'twise'.+val_loss"):
        model(network()).compile().fit(pair, pair, epochs=2, callbacks=[EarlyStopping("twise", mode="min")])


def test_what_steps_log_at_each_step_is_in_the_lines_of_a_log(
    pair: Pair, network: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    Everywhere(network()).compile().fit(pair, epochs=1, batch_size=35, callbacks=[Progress(seconds=1e-9)])

    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("epoch 1/1  batch 1/2  inputs ")


@pytest.mark.row_part("ME7")
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("binary", {"loss", "accuracy"}),
        ("multiclass", {"loss", "accuracy"}),
        ("multilabel", {"loss", "accuracy", "f1"}),
        ("regression", {"loss", "mae"}),
    ],
)
def test_the_kind_of_problem_picks_the_metrics_of_each_split(
    kind: str, names: set[str], pair: Pair, network: Make
) -> None:
    inputs, classes = pair
    targets = {
        "binary": classes.float(),
        "multiclass": classes,
        "multilabel": torch.stack([classes, 1 - classes], dim=1).float(),
        "regression": inputs[:, 0] * 2.5,
    }[kind]
    model = Model(network(1 if kind in ("binary", "regression") else 2)).compile()

    record = model.fit((inputs, targets), (inputs, targets), epochs=1)[0]

    assert model.kind == kind
    for split in ("train", "val"):
        found = {name.removeprefix(f"{split}_") for name in record.metrics if name.startswith(f"{split}_")}
        assert found - {"seconds"} == names
    assert set(model.evaluate((inputs, targets))) == names


@pytest.mark.parametrize("event", ["fit_start", "epoch_end", "fit_end"])
def test_what_no_record_can_take_any_more_is_refused(event: str, pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    model.on(event, lambda context: context.log("late", 1.0))

    with pytest.raises(SettingError, match="No record takes 'late' now: log it between epoch_start and validation_end"):
        model.fit(pair, pair, epochs=1)
