"""Several objectives and constraints, from a user's call to what the study says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from gradfleet import AutoModel, Float, Int, Objective, Study, Tuner
from gradfleet.errors import SettingError
from gradfleet.study.front import dominates

GAIN, COST = Objective("gain", "max"), Objective("cost", "min")


def trade_off(config: dict[str, Any], report: Any) -> None:
    """More `x` gains more and costs more; `waste` costs and gains nothing."""
    for epoch in range(1, 3):
        report({"gain": config["x"] * epoch / 2, "cost": config["x"] ** 2 + config["waste"]})


def search(folder: Path, *, objective: Any = (GAIN, COST), constraints: Any = (), **arguments: Any) -> Study:
    space = {"x": Float(0.0, 1.0), "waste": Float(0.0, 1.0)}
    model = AutoModel.from_function(trade_off, space, objective, constraints=constraints)
    settings = {"trials": 30, "epochs": 2, "cluster": "inline", "progress": False, "store": folder / "g.db"}
    return model.fit(**settings | arguments)


@pytest.mark.row("SE12")
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_several_objectives_give_the_front_that_no_other_trial_beats(tmp_path: Path, sampler: str) -> None:
    study = search(tmp_path, sampler=sampler, scheduler="none")
    points = {trial.number: (-(trial.value or 0), study.trial(trial.number).metrics["cost"]) for trial in study.trials}
    expected = {one for one in points if not any(dominates(points[other], points[one]) for other in points)}
    assert {trial.number for trial in study.front} == expected
    assert 2 < len(expected) < 30
    gains = [trial.value for trial in study.front]
    assert gains == sorted(gains, reverse=True)
    assert study.best.number == study.front[0].number, "the first objective decides which is the best"
    frame = study.leaderboard()
    assert set(frame.loc[frame["front"], "trial"]) == expected
    assert list(frame.columns[:2]) == ["trial", "value"]
    assert "cost" in frame.columns


@pytest.mark.row("SE12")
def test_a_constraint_is_kept_by_the_best_and_by_what_the_sampler_draws(tmp_path: Path) -> None:
    free = search(tmp_path / "free", objective=GAIN, scheduler="none") if (tmp_path / "free").mkdir() is None else None
    assert free is not None
    assert free.best.metrics["cost"] > 0.5
    kept = search(tmp_path, objective=GAIN, constraints=["cost <= 0.5"], scheduler="none")
    assert kept.best.feasible
    assert kept.best.metrics["cost"] <= 0.5
    feasible = [trial.value for trial in kept.trials if kept.trial(trial.number).feasible]
    assert kept.best.value == max(value for value in feasible if value is not None)
    assert max(trial.value or 0 for trial in kept.trials) > kept.best.value, "something better broke the constraint"

    def share(study: Study) -> float:
        later = [study.trial(trial.number).metrics["cost"] <= 0.5 for trial in study.trials[15:]]
        return sum(later) / len(later)

    assert share(kept) > share(free), "the sampler knows the constraint"


@pytest.mark.row_part("SE12")
def test_when_nothing_keeps_a_constraint_the_nearest_is_the_best_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = search(tmp_path, objective=GAIN, constraints=["cost <= -1"], trials=8, progress=True)
    assert not study.best.feasible
    costs = [study.trial(trial.number).metrics["cost"] for trial in study.trials]
    assert study.best.metrics["cost"] == min(costs)
    assert study.front == []
    said = " ".join(capsys.readouterr().err.split())
    assert "No trial keeps all constraints; this one, nearest to them, breaks cost <= -1. Best: trial" in said


@pytest.mark.row_part("SE12")
def test_a_resumed_search_of_two_objectives_draws_what_the_straight_one_does(tmp_path: Path) -> None:
    search(tmp_path, trials=12, name="parts", constraints=["cost <= 1.5"])
    parts = search(tmp_path, trials=24, name="parts", constraints=["cost <= 1.5"], resume=True)
    (tmp_path / "straight").mkdir()
    straight = search(tmp_path / "straight", trials=24, constraints=["cost <= 1.5"])
    assert [(trial.config, trial.state) for trial in parts.trials] == [
        (trial.config, trial.state) for trial in straight.trials
    ]
    assert [trial.number for trial in parts.front] == [trial.number for trial in straight.front]


def test_a_study_is_not_gone_on_with_under_another_constraint(tmp_path: Path) -> None:
    search(tmp_path, trials=2, name="one", constraints=["cost <= 1"])
    with pytest.raises(SettingError, match=r"objective.constraints: the store has \[\"cost <= 1\"\]"):
        search(tmp_path, trials=2, name="one", constraints=["cost <= 0.5"], resume=True)


def test_a_constraint_on_what_no_record_has_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"The constraint price <= 3 needs the metric 'price'.*It has: cost, gain\."):
        search(tmp_path, objective=GAIN, constraints=["price <= 3"])


@pytest.mark.row("SE12")
def test_latency_size_and_time_are_always_there_for_models_and_a_limit_on_them_is_kept(tmp_path: Path) -> None:
    def mlp(input_shape: tuple[int, ...], num_outputs: int, *, width: int = 64) -> nn.Module:
        return nn.Sequential(nn.Linear(*input_shape, width), nn.ReLU(), nn.Linear(width, num_outputs))

    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Int(2, 64))
    tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
    noise = np.random.default_rng(0)
    inputs = noise.normal(size=(200, 4)).astype("float32")
    data = inputs, (inputs[:, 0] > 0).astype("int64")
    settings: dict[str, Any] = {"cluster": "inline", "progress": False, "store": tmp_path / "g.db", "epochs": 2}
    limits = ["num_parameters <= 100", "latency_ms <= 1000"]
    study = AutoModel(tuner, constraints=limits).fit(data, trials=8, sampler="random", **settings)
    for trial in study.trials:
        for record in study.history(trial.number):
            assert record["num_parameters"] == 7 * trial.config["architecture.mlp.width"] + 2  # type: ignore[operator]
            assert 0 < record["latency_ms"] < 1000
            assert record["train_seconds"] > 0
    assert study.trials[0].config["architecture.mlp.width"] == 64
    assert study.best.metrics["num_parameters"] <= 100
    with pytest.raises(SettingError, match="Did you mean 'latency_ms'"):
        AutoModel(tuner, constraints=["latency_s <= 1"]).fit(data, trials=1, **settings)
