"""A sweep ends when it was told to, with the best so far in hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from gradfleet.study.driving.budget import Budget
from gradfleet.study.storage.store import Store
from gradfleet.trials.function_recipe import FunctionRecipe
from tests.fleet.conftest import Sweep
from tests.fleet.recipes import Steady

pytestmark = pytest.mark.ray

Report = Callable[..., None]


def endless(config: dict[str, Any], report: Report) -> None:
    """The default configuration sleeps for ten minutes in one epoch, the others have short epochs without end."""
    report({"score": config["x"]})
    if config["x"] == 0.5:
        time.sleep(600)
    for _ in range(100_000):
        time.sleep(0.02)
        report({"score": config["x"]})


def quick(config: dict[str, Any], report: Report) -> None:
    report({"score": config["x"]})


@pytest.fixture(scope="module")
def seconds(sweep: Sweep) -> float:
    """A budget that is enough here, most of which goes for the start of the workers."""
    began = time.monotonic()
    sweep(FunctionRecipe(quick), name="quick", budget=Budget(trials=1))
    return min(max(25.0, 3 * (time.monotonic() - began)), 150.0)


@pytest.mark.row_part("SE9")
def test_a_time_budget_ends_whatever_runs_and_leaves_a_usable_best(sweep: Sweep, seconds: float) -> None:
    budget, began = Budget(seconds=seconds), time.monotonic()
    study = sweep(FunctionRecipe(endless), name="endless", budget=budget, epochs=100_000)
    assert -3 < time.monotonic() - began - seconds <= budget.overrun
    assert study.state == "completed"
    assert study.best.state == "PRUNED"
    assert len(study.trials) in (1, 2), "the second worker may need longer to start than there is time"
    assert {(trial.state, trial.reason) for trial in study.trials} == {("PRUNED", "The time budget ended.")}


@pytest.mark.row_part("SE9")
def test_a_first_record_that_comes_just_after_the_budget_is_the_best(sweep: Sweep, seconds: float) -> None:
    late = time.time() + seconds + 0.3

    def train(config: dict[str, Any], report: Report) -> None:
        time.sleep(max(0.0, late - time.time()))
        report({"score": config["x"]})
        time.sleep(600)

    budget, began = Budget(seconds=seconds), time.monotonic()
    study = sweep(FunctionRecipe(train), name="late", budget=budget)
    assert time.monotonic() - began - seconds <= budget.overrun
    assert (study.best.state, study.best.epoch) == ("PRUNED", 1)
    assert study.trials[study.best.number].reason == "The time budget ended."


@pytest.mark.row_part("SE9")
def test_a_target_ends_the_sweep_while_other_trials_run(sweep: Sweep) -> None:
    def train(config: dict[str, Any], report: Report) -> None:
        report({"score": 0.1})
        if config["x"] == 0.5:  # the default
            report({"score": 0.9})
        time.sleep(600)

    began = time.monotonic()
    study = sweep(FunctionRecipe(train), name="target", budget=Budget(target=0.8))
    assert time.monotonic() - began < 300
    assert (study.best.number, study.best.value, study.best.epoch) == (0, 0.9, 2)
    assert study.trials[0].reason == "The target was reached."


@pytest.fixture(scope="module")
def halved(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return sweep(
        Steady(tmp_path_factory.mktemp("asha") / "log"),
        name="asha",
        budget=Budget(trials=30),
        epochs=9,
        scheduler="asha",
    )


@pytest.mark.row_part("SE6")
def test_asha_spends_at_least_40_percent_fewer_epochs_and_finds_the_same_optimum(halved: Any) -> None:
    """The trial with the largest `x` is the best in every epoch."""
    assert sum(trial.epochs for trial in halved.trials) <= 0.6 * 30 * 9
    planted = max(halved.trials, key=lambda trial: trial.config["x"])
    assert halved.best.number == planted.number
    assert (planted.state, planted.epochs) == ("COMPLETE", 9)


@pytest.mark.row_part("SE6")
def test_what_asha_stops_is_pruned_in_both_tables_with_its_last_value(halved: Any, file: Path) -> None:
    pruned = [trial for trial in halved.trials if trial.state == "PRUNED"]
    assert pruned
    assert all(trial.reason == f"The scheduler stopped it after epoch {trial.epochs}." for trial in pruned)
    with Store.open(file) as store:
        theirs = optuna.load_study(study_name="asha-generation-0", storage=store.url).trials
    assert [trial.state.name for trial in theirs] == [trial.state for trial in halved.trials]
    for ours in halved.trials:
        assert theirs[ours.number].value == ours.value
        assert list(theirs[ours.number].intermediate_values) == list(range(1, ours.epochs + 1))
