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


def bowl(config: dict[str, Any], report: Any) -> None:
    report({"loss": (config["x"] - 0.7) ** 2})


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


@pytest.mark.row("SE13")
@pytest.mark.filterwarnings("ignore:BruteForceSampler is experimental")
@pytest.mark.parametrize("kind", ["grid", "brute force"])
def test_a_sampler_object_that_has_nothing_left_ends_the_search(tmp_path: Path, kind: str) -> None:
    space = {"optimizer": Choice("sgd", "adam"), "width": Int(1, 2)}

    def tell(config: dict[str, Any], report: Any) -> None:
        report({"loss": config["width"] + (config["optimizer"] == "sgd")})

    def fit(**settings: Any) -> Study:
        grid = optuna.samplers.GridSampler({"optimizer": ["sgd", "adam"], "width": [1, 2]}, seed=1)
        sampler = grid if kind == "grid" else optuna.samplers.BruteForceSampler(seed=1)
        model = AutoModel.from_function(tell, space, LOSS)
        shown: dict[str, Any] = {"progress": False, "cluster": "inline", "epochs": 1, "name": "search"}
        return model.fit(store=tmp_path / "g.db", sampler=sampler, **shown, **settings)

    half = fit(trials=2)
    assert len(half.trials) == 2
    whole = fit(trials=30, resume=True)
    assert whole.state == "completed"
    assert len({str(trial.config) for trial in whole.trials}) == 4
    assert len(whole.trials) <= 5, "the grid's sampler does not know of the default"
    assert fit(trials=40, resume=True).trials == whole.trials


@pytest.mark.row_part("SE5")
@pytest.mark.parametrize("verb", ["stop", "pause", "cancel"])
def test_what_was_asked_of_a_sweep_that_had_ended_does_not_end_the_next_one(tmp_path: Path, verb: str) -> None:
    ended = fit({"optimizer": Choice("adam"), "width": Int(1, 3)}, tmp_path, sampler="random", trials=2)
    request = ended.request(verb)
    again = fit(
        {"optimizer": Choice("adam"), "width": Int(1, 3)}, tmp_path, sampler="random", trials=4, resume=True, budget=20
    )
    assert (len(again.trials), again.state) == (4, "completed")
    assert again.answer(request) == "It came after that sweep had ended."


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


def test_a_portfolio_that_comes_with_a_resume_is_tried_whole_and_what_was_tried_is_not_tried_again(
    tmp_path: Path,
) -> None:
    space = {"x": Float(0.0, 1.0)}

    def tell(config: dict[str, Any], report: Any) -> None:
        report({"loss": config["x"]})

    def fit(trials: int, portfolio: list[float]) -> list[Any]:
        model, known = AutoModel.from_function(tell, space, LOSS), [{"x": x} for x in portfolio]
        place: dict[str, Any] = {"store": tmp_path / "g.db", "name": "known", "progress": False, "cluster": "inline"}
        study = model.fit(trials=trials, portfolio=known, epochs=1, resume=True, **place)
        return [trial.config["x"] for trial in study.trials]

    assert fit(3, [0.9, 0.8]) == [0.5, 0.9, 0.8]
    assert fit(6, [0.9, 0.11, 0.22, 0.33]) == [0.5, 0.9, 0.8, 0.11, 0.22, 0.33]


@pytest.mark.row_part("SE16")
@pytest.mark.row_part("SE14")
def test_an_extension_goes_on_with_the_warm_start_that_it_had_not_come_to(tmp_path: Path) -> None:
    def fit(name: str, space: dict[str, Dimension], **settings: Any) -> Study:
        model = AutoModel.from_function(bowl, space, LOSS)
        place: dict[str, Any] = {"store": tmp_path / "g.db", "progress": False, "cluster": "inline", "epochs": 1}
        return model.fit(name=name, **place, **settings)

    fit("monday", {"x": Float(0.0, 1.0)}, trials=12, seed=1)
    begun = fit("tuesday", {"x": Float(0.0, 1.0)}, trials=9, budget="1s", target=9.0, seed=2)  # ends after its first
    taken = [one["config"] for one in begun.spec["search"]["warm_start"]]
    assert len(begun.trials) == 1
    assert len(taken) >= 2
    grown = fit("tuesday", {"x": Float(0.0, 2.0)}, trials=9, seed=2, extend=True)
    assert [trial.config for trial in grown.trials[1 : 1 + len(taken)]] == taken
    assert [one["config"] for one in grown.spec["search"]["warm_start"]] == taken


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
