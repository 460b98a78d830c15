"""A search that starts from what earlier ones of the same store have found."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from gradfleet import AutoModel, Choice, Float, Objective, Study, Tuner

SCORE = Objective("score", "max")
SPACE = {"x": Float(0.0, 1.0), "y": Float(1e-4, 1.0, log=True), "kind": Choice("a", "b", "c")}


def bowl(optimum: tuple[float, float]) -> Any:
    """One of a family of functions that differ in where they are best."""

    def bowl(config: dict[str, Any], report: Any) -> None:
        away = (config["x"] - optimum[0]) ** 2 + ((math.log10(config["y"]) - optimum[1]) / 4) ** 2
        report({"score": -away - 0.2 * (config["kind"] != "b")})

    return bowl


def search(folder: Path, train: Any, **arguments: Any) -> Study:
    model = AutoModel.from_function(train, arguments.pop("space", SPACE), arguments.pop("objective", SCORE))
    settings = {"trials": 10, "epochs": 1, "cluster": "inline", "progress": False, "store": folder / "g.db"}
    return model.fit(**settings | arguments)


@pytest.mark.row_part("SE14")
def test_the_best_of_an_earlier_study_come_after_the_portfolio_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = search(tmp_path, bowl((0.2, -1.0)), trials=20, name="monday")
    known = {"x": 0.9, "y": 0.5, "kind": "c"}
    study = search(tmp_path, bowl((0.25, -1.2)), name="tuesday", portfolio=[known], progress=True)
    best = [int(number) for number in earlier.leaderboard(2)["trial"]]
    assert [trial.config for trial in study.trials[1:4]] == [known, *(earlier.trial(one).config for one in best)]
    said = " ".join(capsys.readouterr().err.split())
    assert f"Warm start with the best trials of 'monday' ({best[0]}, {best[1]}); warm_start=False starts cold." in said
    cold = search(tmp_path, bowl((0.25, -1.2)), name="cold", warm_start=False)
    assert cold.trials[1].config == earlier.trials[1].config, (
        "drawn with the same seed, as if there were no other study"
    )


@pytest.mark.row_part("SE14")
def test_lambdas_are_told_by_their_text(tmp_path: Path) -> None:
    up = lambda config, report: report({"score": config["x"]})  # noqa: E731
    down = lambda config, report: report({"score": -config["x"]})  # noqa: E731
    assert up.__qualname__ == down.__qualname__
    search(tmp_path, up, name="up", trials=20)
    assert search(tmp_path, down, name="down").spec["search"]["warm_start"] == []
    assert search(tmp_path, up, name="again", trials=12).spec["search"]["warm_start"] != []


@pytest.mark.row_part("SE14")
def test_what_a_study_was_started_from_is_kept_with_it_so_a_resumed_one_goes_on_the_same_way(tmp_path: Path) -> None:
    search(tmp_path, bowl((0.2, -1.0)), trials=20, name="monday")
    parts = search(tmp_path, bowl((0.3, -1.0)), trials=12, name="parts")
    search(tmp_path, bowl((0.7, -3.0)), trials=20, name="meanwhile")
    resumed = search(tmp_path, bowl((0.3, -1.0)), trials=16, name="parts", resume=True)
    assert resumed.spec["search"]["warm_start"] == parts.spec["search"]["warm_start"]
    assert {one["study"] for one in resumed.spec["search"]["warm_start"]} == {"monday"}
    assert len(resumed.trials) == 16


@pytest.mark.row_part("RP1")
def test_the_same_search_again_gives_the_same_trials_again(tmp_path: Path) -> None:
    first, again = (search(tmp_path, bowl((0.2, -1.0)), name=name, seed=3) for name in ("first", "again"))
    assert [trial.config for trial in first.trials] == [trial.config for trial in again.trials]


@pytest.mark.row_part("SE14")
def test_another_function_objective_or_space_lends_nothing(tmp_path: Path) -> None:
    def other(config: dict[str, Any], report: Any) -> None:
        report({"score": config["x"], "speed": 1.0})

    search(tmp_path, bowl((0.2, -1.0)), trials=8, name="bowl")
    assert search(tmp_path, other, name="other").spec["search"]["warm_start"] == []
    speed = search(tmp_path, other, name="speed", objective=Objective("speed", "max"))
    assert speed.spec["search"]["warm_start"] == []
    wide = {"x": Float(0.0, 1.0), **{f"z{one}": Float(0.0, 1.0) for one in range(3)}}
    assert search(tmp_path, other, name="wide", space=wide).spec["search"]["warm_start"] == []
    narrow = {"x": Float(0.99, 1.0), "y": Float(1e-4, 1.0, log=True)}
    fits = search(tmp_path, other, name="narrow", space=narrow).spec["search"]["warm_start"]
    assert all(0.99 <= one["config"]["x"] <= 1.0 for one in fits)


@pytest.mark.row_part("SE14")
def test_data_of_the_same_kind_and_like_size_lends_and_the_same_data_lends_first(tmp_path: Path) -> None:
    def net(input_shape: tuple[int, ...], num_outputs: int, *, width: int = 4) -> nn.Module:
        return nn.Sequential(nn.Linear(*input_shape, width), nn.ReLU(), nn.Linear(width, num_outputs))

    def fit(name: str, rows: int, features: int = 4, *, seed: int = 0, classes: bool = True) -> list[str]:
        tuner = Tuner()
        tuner.architecture("net", net, width=Choice(4, 8, 16, 32))
        tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
        inputs = np.random.default_rng(0).normal(size=(rows, features)).astype("float32")
        targets = (inputs[:, 0] > 0).astype("int64") if classes else inputs[:, 0]
        model = AutoModel(tuner, objective=Objective("val_loss", "min"))
        study = model.fit(
            (inputs, targets), trials=7, epochs=1, name=name, seed=seed, cluster="inline", progress=False,
            store=tmp_path / "g.db",
        )  # fmt: skip
        return [one["study"] for one in study.spec["search"]["warm_start"]]

    assert fit("first", 60) == []
    assert fit("larger", 120) == ["first", "first"]
    assert fit("amounts", 120, classes=False) == []
    assert fit("far", 4000, 64) == []
    assert fit("first-again", 60, seed=1)[0] in ("first", "larger")


def regrets(folder: Path, *, warm: bool, families: int, trials: int) -> list[float]:
    found = []
    for seed in range(families):
        draw = np.random.default_rng(seed)
        center = draw.uniform(0.2, 0.8), draw.uniform(-3.5, -0.5)
        place = folder / f"{warm}-{seed}"
        place.mkdir()
        settings: dict[str, Any] = {"scheduler": "none", "seed": seed}
        for one in range(2):
            optimum = center[0] + draw.normal(0, 0.05), center[1] + draw.normal(0, 0.2)
            search(place, bowl(optimum), trials=25, name=f"earlier-{one}", warm_start=False, **settings)
        optimum = center[0] + draw.normal(0, 0.05), center[1] + draw.normal(0, 0.2)
        found.append(-search(place, bowl(optimum), trials=trials, warm_start=warm, **settings).best.value)
    return found


@pytest.mark.soak
@pytest.mark.row("SE14")
def test_a_warm_start_is_not_worse_than_a_cold_one_on_its_own_budget(tmp_path: Path, soak: bool) -> None:  # noqa: FBT001
    families = 30 if soak else 4
    warm, cold = (np.array(regrets(tmp_path, warm=warm, families=families, trials=12)) for warm in (True, False))
    noise = np.std(warm - cold) / math.sqrt(families)
    assert np.mean(warm) <= np.mean(cold) + noise


@pytest.mark.soak
@pytest.mark.row("SE14")
@pytest.mark.skipif("GRADFLEET_DATA" not in os.environ, reason="GRADFLEET_DATA does not say where the tables are")
def test_a_warm_start_between_real_learning_curves_is_not_worse_than_a_cold_one(tmp_path: Path, soak: bool) -> None:  # noqa: FBT001
    tables = np.load(Path(os.environ["GRADFLEET_DATA"], "hpo_lcbench_dev.npz"), allow_pickle=False)
    accuracy = tables["val_accuracy_x100"].astype(float) / 100
    names = [name for name in tables.files if name.startswith("hp_")]
    points = np.stack([np.log(np.maximum(tables[name].astype(float), 1e-12)) for name in names], axis=1)
    points = (points - points.min(0)) / np.maximum(np.ptp(points, axis=0), 1e-12)

    def curves(data: int) -> Any:
        def curves(config: dict[str, Any], report: Any) -> None:
            asked = np.array([config[name] for name in names])
            report({"score": float(accuracy[data][np.abs(points - asked).sum(1).argmin()].max())})

        return curves

    space = {name: Float(0.0, 1.0) for name in names}
    gains = []
    for data in range(0, 20, 1 if soak else 4):
        values = []
        for warm in (True, False):
            place = tmp_path / f"{data}-{warm}"
            place.mkdir()
            for other in ((data + 1) % 20, (data + 7) % 20):
                search(place, curves(other), trials=30, name=f"other-{other}", space=space, warm_start=False)
            values.append(search(place, curves(data), trials=15, space=space, warm_start=warm).best.value)
        gains.append((values[0] - values[1]) / np.ptp(accuracy[data].max(1)))
    assert np.mean(gains) >= -np.std(gains) / math.sqrt(len(gains)), gains
