from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from gradfleet import Choice, Float, Int
from gradfleet.errors import SettingError
from gradfleet.goal import Aim, aim
from gradfleet.objective import Objective
from gradfleet.search.curve_sampler import CurveSampler
from gradfleet.search.samplers import Search, check_aim, make_sampler, named_for, sampler_name
from gradfleet.search.space import Entry, SearchSpace, When

SPACE = SearchSpace(
    (
        Entry("optimizer", Choice("sgd", "adam")),
        Entry("optimizer.sgd.momentum", Float(0.0, 0.99), (When("optimizer", ("sgd",)),)),
        Entry("optimizer.adam.beta", Float(0.8, 0.999), (When("optimizer", ("adam",)),)),
        Entry("learning_rate", Float(1e-4, 1.0, log=True)),
        Entry("width", Int(8, 64, step=8)),
    )
)


NAMES = ["random", "curves", "tpe", "gp", "cmaes", "nsga2"]
LOSS = Objective("loss", "min")
SIZE = Objective("num_parameters", "min")
SEARCH = Search(space=SPACE, aim=LOSS, epochs=1)


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def search(study: optuna.Study, name: str, *, seed: int, until: int) -> list[dict[str, object]]:
    """Ask and tell up to trial `until`; the loss has its best at sgd with a large momentum."""
    for number in range(len(study.trials), until):
        study.sampler = make_sampler(name, SEARCH, seed=seed, number=number)
        trial = study.ask()
        config = SPACE(trial)
        momentum = config.get("optimizer.sgd.momentum", -1.0)
        study.tell(trial, abs(float(config["learning_rate"]) - 0.1) + abs(0.9 - float(momentum)))
    return [trial.params for trial in study.trials]


@pytest.mark.row_part("SE13")
@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_sequence_and_another_one_another(name: str) -> None:
    first, again, other = (search(optuna.create_study(), name, seed=seed, until=13) for seed in (7, 7, 8))
    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))


@pytest.mark.row_part("SE13")
@pytest.mark.parametrize("name", NAMES)
def test_a_study_that_goes_on_in_another_process_draws_what_it_would_have_drawn(name: str, tmp_path: Path) -> None:
    straight = search(optuna.create_study(), name, seed=3, until=14)
    interrupted = optuna.create_study()
    search(interrupted, name, seed=3, until=12)
    (tmp_path / "trials").write_bytes(pickle.dumps(interrupted.trials))
    code = f"""
import json, pickle, sys, optuna
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_samplers import search
study = optuna.create_study()
study.add_trials(pickle.loads(open("trials", "rb").read()))
print(json.dumps(search(study, {name!r}, seed=3, until=14)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == straight


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_holds_only_its_own_branch(name: str) -> None:
    configs = search(optuna.create_study(), name, seed=0, until=13)
    assert {config["optimizer"] for config in configs} == {"sgd", "adam"}
    for config in configs:
        assert SPACE.validate(config) == config


@pytest.mark.row_part("SE13")
@pytest.mark.parametrize("name", ["curves", "tpe"])
def test_what_learns_from_the_trials_it_sees_comes_nearer_than_chance(name: str) -> None:
    seeds = range(5)
    best = {each: sum(best_loss(each, seed=seed) for seed in seeds) / len(seeds) for each in (name, "random")}
    assert best[name] < best["random"]


@pytest.mark.row_part("SE13")
def test_the_gaussian_process_goes_to_where_the_best_is() -> None:
    study = optuna.create_study()
    for number in range(14):
        study.sampler = make_sampler("gp", SEARCH, seed=1, number=number)
        trial = study.ask()
        study.tell(trial, (trial.suggest_float("x", -5.0, 5.0) - 1.0) ** 2)
    assert min(trial.value or 0.0 for trial in study.trials[10:]) < 0.01


def best_loss(name: str, *, seed: int) -> float:
    study = optuna.create_study()
    search(study, name, seed=seed, until=40)
    return study.best_value


@pytest.mark.row_part("SE13")
@pytest.mark.parametrize("name", ["cmaes", "nsga2"])
def test_what_evolves_draws_ever_nearer_to_the_best(name: str) -> None:
    study = optuna.create_study()
    for number in range(150):
        study.sampler = make_sampler(name, SEARCH, seed=1, number=number)
        trial = study.ask()
        study.tell(trial, sum((trial.suggest_float(each, -5.0, 5.0) - 1.0) ** 2 for each in "xyz"))
    losses = [trial.value or 0.0 for trial in study.trials]
    assert sum(losses[-30:]) < 0.7 * sum(losses[:30])


@pytest.mark.parametrize("name", ["curves", "tpe"])
def test_trials_that_run_side_by_side_are_not_drawn_alike(name: str) -> None:
    study = optuna.create_study()
    search(study, name, seed=0, until=15)
    configs = []
    for number in range(15, 23):
        study.sampler = make_sampler(name, SEARCH, seed=0, number=number)
        configs.append(SPACE(study.ask()))
    assert len({json.dumps(config) for config in configs}) == len(configs)


def test_a_function_of_a_seed_gets_one_for_each_trial() -> None:
    seeds: list[int] = []

    def sampler(seed: int) -> optuna.samplers.BaseSampler:
        seeds.append(seed)
        return optuna.samplers.RandomSampler(seed=seed)

    for number in (0, 1, 0):
        make_sampler(sampler, SEARCH, seed=5, number=number)
    assert seeds[0] == seeds[2] != seeds[1]


def test_an_optuna_sampler_is_used_as_it_is() -> None:
    sampler = optuna.samplers.RandomSampler(seed=1)
    assert make_sampler(sampler, SEARCH, seed=0, number=3) is sampler


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            "tpee",
            r"No sampler is called 'tpee'. Did you mean 'tpe'\? "
            "Known: auto, cmaes, curves, gp, grid, nsga2, random, tpe.",
        ),
        (3, "A sampler is a name, an Optuna sampler or a function of a seed, got 3."),
    ],
)
def test_what_is_no_sampler_is_refused(choice: object, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make_sampler(choice, SEARCH, seed=0, number=0)  # type: ignore[arg-type]


def test_a_sampler_for_one_objective_is_refused_with_those_for_several() -> None:
    message = "The sampler '{}' takes one objective, got 2. These take several: auto, gp, grid, nsga2, random, tpe."
    both = aim([LOSS, SIZE])
    for sampler, name in (("cmaes",) * 2, ("curves",) * 2, (optuna.samplers.CmaEsSampler(), "CmaEsSampler")):
        with pytest.raises(SettingError, match=message.format(name)):
            check_aim(sampler, both)
        check_aim(sampler, LOSS)
    for name in ("auto", "gp", "nsga2", "random", "tpe", optuna.samplers.RandomSampler()):
        check_aim(name, both)


def test_a_sampler_that_knows_no_constraints_is_refused_with_those_that_do() -> None:
    message = r"The sampler 'curves' takes no constraints, got latency_ms <= 20. These take some: auto, gp, grid, "
    with pytest.raises(SettingError, match=message):
        check_aim("curves", aim(LOSS, ["latency_ms <= 20"]))


@pytest.mark.parametrize(
    ("search_for", "name"),
    [
        (LOSS, "curves"),
        (aim(LOSS, num_runs=3), "curves"),
        (aim([LOSS, SIZE]), "tpe"),
        (aim(LOSS, ["num_parameters <= 1000"]), "tpe"),
    ],
)
def test_auto_is_what_can_search_for_this(search_for: Aim, name: str) -> None:
    assert named_for("auto", search_for) == name
    searched = Search(space=SPACE, aim=search_for, epochs=1)
    kinds = [type(make_sampler(each, searched, seed=0, number=0)) for each in ("auto", name)]
    assert kinds[0] is kinds[1]
    assert (kinds[0] is CurveSampler) == (name == "curves")
    assert named_for("gp", search_for) == "gp"


def test_a_sampler_has_a_name_in_the_spec() -> None:
    assert sampler_name("gp") == "gp"
    assert sampler_name(optuna.samplers.GPSampler()) == "GPSampler"
    assert sampler_name(best_loss) == "best_loss"  # type: ignore[arg-type]
