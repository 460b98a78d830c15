"""Samplers, grids and grown spaces through the public door, with a training function whose best is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest

from gradfleet import AutoModel, Choice, Float, Int, Objective, Study
from gradfleet.errors import SettingError, StudyMismatchError
from gradfleet.search.dimensions import Dimension
from gradfleet.search.samplers import SAMPLERS, SamplerChoice
from gradfleet.search.space import Entry, SearchSpace, When

LOSS = Objective("loss", "min")
SGD, ADAM = When("optimizer", ("sgd",)), When("optimizer", ("adam",))
BRANCHES = SearchSpace(
    (
        Entry("optimizer", Choice("sgd", "adam")),
        Entry("sgd.momentum", Float(0.0, 0.9, step=0.3), (SGD,)),
        Entry("adam.beta", Float(0.8, 0.9, step=0.1), (ADAM,)),
        Entry("width", Int(1, 3)),
    )
)


def train(config: dict[str, Any], report: Any) -> None:
    loss = abs(config["sgd.momentum"] - 0.9) if config["optimizer"] == "sgd" else 1.0
    report({"loss": loss + abs(config["width"] - 3)})


def fit(space: SearchSpace | Mapping[str, Dimension], folder: Path, **settings: Any) -> Study:
    model = AutoModel.from_function(train, space, LOSS)
    defaults: dict[str, Any] = {"epochs": 1, "name": "search", "progress": False, "cluster": "inline"}
    return model.fit(store=folder / "gradfleet.db", **{**defaults, **settings})


@pytest.mark.row("SE13")
@pytest.mark.parametrize(
    "sampler", [*sorted({*SAMPLERS} - {"grid"}), optuna.samplers.RandomSampler(seed=3)], ids=lambda one: str(one)[:6]
)
def test_every_sampler_searches_a_space_with_branches(tmp_path: Path, sampler: SamplerChoice) -> None:
    study = fit(BRANCHES, tmp_path, sampler=sampler, trials=12)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 12
    assert all(BRANCHES.validate(trial.config) == trial.config for trial in study.trials)
    assert {trial.config["optimizer"] for trial in study.trials} == {"sgd", "adam"}


@pytest.mark.row_part("SE4")
def test_a_grid_tries_everything_once_and_ends_the_search(tmp_path: Path) -> None:
    study = fit(BRANCHES, tmp_path, sampler="grid")
    configs = [str(trial.config) for trial in study.trials]
    assert len(configs) == len(set(configs)) == 3 * (4 + 2)
    assert study.trials[0].config == BRANCHES.default()
    assert study.best.config == {"optimizer": "sgd", "sgd.momentum": pytest.approx(0.9), "width": 3}


def test_a_grid_goes_on_where_it_was_and_a_grown_one_tries_what_is_new(tmp_path: Path) -> None:
    fit(BRANCHES, tmp_path, sampler="grid", trials=7)
    whole = fit(BRANCHES, tmp_path, sampler="grid", resume=True)
    assert len({str(trial.config) for trial in whole.trials}) == len(whole.trials) == 18
    wider = SearchSpace((*BRANCHES.entries[:3], Entry("width", Int(1, 4))))
    grown = fit(wider, tmp_path, sampler="grid", extend=True)
    assert len({str(trial.config) for trial in grown.trials}) == len(grown.trials) == 24
    assert all(trial.config["width"] == 4 for trial in grown.trials[18:])


def test_a_grid_of_endless_dimensions_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"A grid needs finite dimensions: 'x' is Float\(0.0, 1.0\)."):
        fit({"x": Float(0.0, 1.0)}, tmp_path, sampler="grid")
    assert list(tmp_path.iterdir()) == []


def test_a_sampler_of_one_objective_is_refused_for_two(tmp_path: Path) -> None:
    model = AutoModel.from_function(train, BRANCHES, [LOSS, Objective("cost", "min")])
    with pytest.raises(
        SettingError, match="The sampler 'cmaes' takes one objective, got 2. These take several: auto, gp"
    ):
        model.fit(store=tmp_path / "gradfleet.db", sampler="cmaes", trials=2, progress=False)


@pytest.mark.row_part("SE16")
def test_a_study_goes_on_in_a_grown_space_and_keeps_its_trials(tmp_path: Path) -> None:
    narrow = SearchSpace((Entry("optimizer", Choice("adam")), Entry("width", Int(1, 3))))
    first = fit(narrow, tmp_path, trials=4).trials
    with pytest.raises(StudyMismatchError, match=r"keep the history, pass extend=True\.$"):
        fit(BRANCHES, tmp_path, trials=20, resume=True)
    grown = fit(BRANCHES, tmp_path, trials=20, extend=True)
    assert [trial.number for trial in grown.trials] == list(range(20))
    assert grown.trials[:4] == first
    assert list(grown.leaderboard()["trial"].sort_values()) == list(range(20))
    assert grown.best.config["optimizer"] == "sgd"
    again = fit(BRANCHES, tmp_path, trials=21, resume=True)  # the new space is the study's own now
    assert len(again.trials) == 21
