"""Repeats and folds, from a user's call to what the study says."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from gradfleet import AutoModel, Choice, Float, Objective, Study, Tuner
from gradfleet.data.prepared import read_prepared
from gradfleet.errors import DataError, SettingError, StudyMismatchError
from gradfleet.training.callbacks.callback import Callback

SCORE = Objective("score", "max")
CUBE = [dict(zip("abc", values, strict=True)) for values in itertools.product([0, 1], repeat=3)]


def points(rows: int = 90) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(0)
    inputs = noise.normal(size=(rows, 4)).astype("float32")
    return inputs, (inputs[:, 0] + 0.5 * noise.normal(size=rows) > 0).astype("int64")


def search(folder: Path, train: Any, **arguments: Any) -> Study:
    space = {name: Choice(0, 1) for name in "abc"}
    settings = {"cluster": "inline", "progress": False, "scheduler": "none", "store": folder / "g.db", "epochs": 2}
    return AutoModel.from_function(train, space, SCORE).fit(**settings | arguments)


@pytest.mark.row("SE4")
def test_a_grid_of_eight_with_two_repeats_is_sixteen_trainings_and_the_mean_is_the_value(tmp_path: Path) -> None:
    trainings: list[dict[str, Any]] = []

    def train(config: dict[str, Any], report: Any) -> None:
        trainings.append(config)
        for epoch in range(2):
            report({"score": 4.0 * config["a"] + 2.0 * config["b"] + config["c"] + np.random.random() * epoch})

    study = search(tmp_path, train, trials=8, repeats=2, portfolio=CUBE)
    assert sorted(map(str, trainings)) == sorted(map(str, [*CUBE, *CUBE]))
    assert {trial.state for trial in study.trials} == {"COMPLETE"}
    assert len(study.trials) == 8, "one result a trial"
    for trial in study.trials:
        runs = [study.history(trial.number)[1]["run_score"], study.history(trial.number)[3]["run_score"]]
        assert runs[0] != runs[1]
        assert trial.value == pytest.approx(sum(runs) / 2)
    assert study.best.config == {"a": 1, "b": 1, "c": 1}
    frame = study.leaderboard()
    spread = frame.loc[0, ["score_std", "score_median", "score_min", "score_max"]]
    assert spread["score_min"] < spread["score_median"] < spread["score_max"]
    assert spread["score_std"] > 0
    (tmp_path / "again").mkdir()
    again = search(tmp_path / "again", train, trials=8, repeats=2, portfolio=CUBE)
    assert [trial.value for trial in again.trials] == [trial.value for trial in study.trials]


def builds(log: list[int]) -> Tuner:
    def net(input_shape: tuple[int, ...], num_outputs: int, *, a: int = 0, b: int = 0, c: int = 0) -> nn.Module:
        log.append(a + b + c)
        return nn.Sequential(nn.Linear(*input_shape, 4 + 4 * a), nn.ReLU(), nn.Linear(4 + 4 * a, num_outputs))

    tuner = Tuner()
    tuner.architecture("net", net, **{name: Choice(0, 1) for name in "abc"})
    tuner.optimizer("adamw", learning_rate=Float(1e-2, 2e-2))
    return tuner


@pytest.mark.row("SE4")
def test_a_grid_of_eight_with_two_repeats_of_three_folds_is_forty_eight_trainings(tmp_path: Path) -> None:
    cube = [{f"architecture.net.{name}": value for name, value in corner.items()} for corner in CUBE]
    built: list[int] = []
    model = AutoModel(builds(built))
    settings = {"cluster": "inline", "progress": False, "scheduler": "none", "store": tmp_path / "g.db"}
    model.space.default()
    study = model.fit(points(), trials=8, epochs=1, repeats=2, folds=3, portfolio=cube, **settings)  # type: ignore[arg-type]
    assert len([trial for trial in study.trials if trial.state == "COMPLETE"]) == 8
    assert {study.trial(trial.number).metrics["num_runs"] for trial in study.trials} == {6.0}
    assert sum(trial.epochs for trial in study.trials) == 48
    assert len(built) >= 48


@pytest.mark.row_part("SE8")
def test_the_model_of_a_folded_trial_evaluates_to_what_its_last_run_recorded(tmp_path: Path) -> None:
    model = AutoModel(builds([]))
    settings = {"cluster": "inline", "progress": False, "scheduler": "none", "store": tmp_path / "g.db"}
    study = model.fit(points(), trials=3, epochs=3, folds=3, **settings)  # type: ignore[arg-type]
    best = study.best
    validation = read_prepared(Path(study.spec["data"])).validation
    assert best.model().evaluate(validation)["accuracy"] == best.metrics["run_val_accuracy"]
    assert best.metrics["val_accuracy_min"] <= best.value <= best.metrics["val_accuracy_max"]
    assert study.replay(best.number).same


@pytest.mark.row_part("SE4")
def test_what_is_behind_after_its_first_folds_is_spared_the_others(tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Any) -> None:
        report({"score": float(config["a"])})

    good_first = [
        {"a": 1, "b": 0, "c": 0},
        {"a": 1, "b": 1, "c": 0},
        {"a": 1, "b": 0, "c": 1},
        {"a": 0, "b": 0, "c": 1},
    ]
    study = search(tmp_path, train, trials=5, epochs=1, repeats=9, scheduler="asha", portfolio=good_first)
    last = study.trials[4]
    assert (last.state, last.epochs) == ("PRUNED", 1)
    assert [trial.epochs for trial in study.trials[1:4]] == [9, 9, 9]


def test_what_cannot_be_repeated_or_folded_is_said_before_anything_is_written(tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Any) -> None: ...

    with pytest.raises(SettingError, match="repeats is a whole number of at least 1, got 0"):
        search(tmp_path, train, repeats=0)
    with pytest.raises(SettingError, match="A training function brings its own data, so it makes its own folds"):
        search(tmp_path, train, folds=3)
    settings = {"cluster": "inline", "progress": False, "trials": 1, "store": tmp_path / "g.db"}
    with pytest.raises(SettingError, match="folds is a whole number of at least 2"):
        AutoModel(builds([])).fit(points(), folds=1, **settings)  # type: ignore[arg-type]
    inputs, labels = points()
    labels[labels == 1] = [1, 1, 1, *[0] * (int(labels.sum()) - 3)]
    with pytest.raises(DataError, match="5 folds need at least 5 rows of each class"):
        AutoModel(builds([])).fit((inputs, labels), folds=5, **settings)  # type: ignore[arg-type]
    assert not (tmp_path / "g.db").exists()


def test_a_study_is_not_gone_on_with_under_other_repeats(tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Any) -> None:
        report({"score": 0.5})

    search(tmp_path, train, trials=1, repeats=2, name="twice")
    with pytest.raises(StudyMismatchError, match="objective.num_runs: the store has 2, 3 came"):
        search(tmp_path, train, trials=1, repeats=3, name="twice", resume=True)


class Dies(Callback):
    """Kills its process in the second epoch of the second fold, the first time that one comes there."""

    def __init__(self, mark: str) -> None:
        self.mark = Path(mark)
        self.begun = 0

    def on_epoch_end(self, context: Any) -> None:
        with self.mark.open("a") as file:
            file.write(".")
        if len(self.mark.read_text()) == 6:
            os.kill(os.getpid(), signal.SIGKILL)


def sweep(folder: Path, callbacks: Any = ()) -> Study:
    model = AutoModel(builds([])).compile(callbacks=callbacks)
    return model.fit(
        points(), trials=2, epochs=4, folds=2, name="folded", resume=True, cluster="inline", progress=False,
        scheduler="none", store=folder / "g.db",
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.row_part("SE4")
def test_a_driver_killed_inside_a_fold_goes_on_there_and_ends_as_if_it_had_not(tmp_path: Path) -> None:
    code = (
        "import functools, pathlib, sys; sys.path.insert(0, sys.argv[2]); import test_runs\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "test_runs.sweep(folder, [functools.partial(test_runs.Dies, str(folder / 'mark'))])"
    )
    killed = [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)]
    assert subprocess.run(killed, check=False).returncode == -signal.SIGKILL
    attached = Study.attach("folded", store=tmp_path / "g.db")
    assert [(trial.state, trial.epochs) for trial in attached.trials] == [("RUNNING", 5)]
    subprocess.run(killed, check=True)
    assert len((tmp_path / "mark").read_text()) == 17, "two trials of eight epochs, and the one that was cut off"
    (tmp_path / "straight").mkdir()
    straight = sweep(tmp_path / "straight")
    assert [(trial.state, trial.epochs, trial.value) for trial in attached.trials] == [
        (trial.state, trial.epochs, trial.value) for trial in straight.trials
    ]
