"""Trials on warm workers: side by side, kept between trials, and replaced when they die."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gradfleet.errors import ClusterError, ExecutionError, NoUsableTrialError
from gradfleet.study.driving.budget import Budget
from gradfleet.study.study import Study
from gradfleet.trials.resources import Resources
from tests.fleet.conftest import SPACE, Sweep
from tests.fleet.recipes import Steady, Stillborn

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def quick(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Study:
    recipe = Steady(tmp_path_factory.mktemp("quick") / "log", seconds=0.02, company=2)
    return sweep(recipe, name="quick", budget=Budget(trials=20))


def test_trials_run_side_by_side_in_two_processes_that_are_kept(quick: Study) -> None:
    processes = Counter(quick.history(trial.number)[0]["process"] for trial in quick.trials)
    assert len(processes) == 2
    assert min(processes.values()) > 3
    overlapping = sum(
        one.started < other.ended < one.ended
        for one in quick.trials
        for other in quick.trials
        if one.ended and other.ended
    )
    assert overlapping > 3


def test_the_count_of_trials_ends_the_search_with_every_trial_complete(quick: Study) -> None:
    assert [(trial.number, trial.state, trial.epochs) for trial in quick.trials] == [
        (number, "COMPLETE", 3) for number in range(20)
    ]
    assert quick.state == "completed"
    assert quick.best.value == max(trial.value for trial in quick.trials if trial.value is not None)


def test_trial_0_is_the_default_configuration(quick: Study) -> None:
    assert quick.trial(0).config == SPACE.default()


def test_after_the_sweep_the_best_trials_and_the_default_have_their_best_checkpoint(quick: Study) -> None:
    left = {Path(trial.checkpoint) for trial in quick.trials if trial.checkpoint}
    assert len(left) in (5, 6)
    assert Path(quick.artifacts.study("quick"), "trial-0000", "epoch-0003") in left
    assert {file.parent for file in Path(quick.artifacts.study("quick")).rglob("epoch.txt")} == left


@pytest.fixture(scope="module")
def rough(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Steady]:
    recipe = Steady(tmp_path_factory.mktemp("rough") / "log", seconds=0.05, dies_once=1, dies_always=2, raises=3)
    return sweep(recipe, name="rough", budget=Budget(trials=8)), recipe


def test_a_trial_whose_worker_is_killed_goes_on_from_its_last_checkpoint(rough: tuple[Study, Steady]) -> None:
    study, recipe = rough
    assert [start for start in recipe.starts if start[0] == 1] == [(1, 0), (1, 1)]
    trial = study.trials[1]
    assert (trial.state, trial.attempts) == ("COMPLETE", 2)
    assert [record.epoch for record in study.history(1)] == [1, 2, 3]


def test_a_trial_that_always_kills_its_worker_fails_after_three_attempts(rough: tuple[Study, Steady]) -> None:
    study, recipe = rough
    assert [start for start in recipe.starts if start[0] == 2] == [(2, 0), (2, 1), (2, 1)]
    trial = study.trials[2]
    assert (trial.state, trial.attempts) == ("FAIL", 3)
    assert trial.reason is not None
    assert trial.reason.startswith("Its worker process died 3 times.")


def test_a_trial_that_raises_fails_with_its_traceback(rough: tuple[Study, Steady]) -> None:
    trial = rough[0].trials[3]
    assert (trial.state, trial.reason, trial.attempts) == ("FAIL", "ArithmeticError: trial 3 diverged", 1)
    assert trial.traceback is not None
    assert "in _misbehave" in trial.traceback


def test_the_other_trials_go_on(rough: tuple[Study, Steady]) -> None:
    study, recipe = rough
    assert {trial.number for trial in study.trials if trial.state == "COMPLETE"} == {0, 1, 4, 5, 6, 7}
    assert all(recipe.starts.count((number, 0)) == 1 for number in (0, 4, 5, 6, 7))


def test_when_every_trial_fails_the_most_frequent_cause_is_said(sweep: Sweep, tmp_path: Path) -> None:
    recipe = Steady(tmp_path / "log", raises=-1)
    with pytest.raises(NoUsableTrialError, match="ArithmeticError: trial 0 diverged"):
        sweep(recipe, name="hopeless", budget=Budget(trials=1))


def test_workers_that_die_together_as_they_start_are_replaced(sweep: Sweep, tmp_path: Path) -> None:
    half = Resources(cpu=0.5, gpu=0)
    study = sweep(Stillborn(tmp_path, deaths=4), name="lost", budget=Budget(trials=4), epochs=1, resources=half)
    assert len(list(tmp_path.glob("death-*"))) == 4
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 4


def test_workers_that_always_die_as_they_start_end_the_sweep(sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="3 workers died one after the other as they started"):
        sweep(Stillborn(tmp_path, deaths=100), name="stillborn", budget=Budget(trials=1), epochs=1)


def test_more_than_there_is_fails_at_once_with_the_numbers(sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="asks for 3 cpu and 0 gpu, but the cluster has 2 cpu and 0 gpu in all"):
        sweep(Steady(tmp_path / "log"), name="greedy", resources=Resources(cpu=3))
