"""The search that nobody has chosen anything of: its sampler, its scheduler, and what they save."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from gradfleet import AutoModel, Choice, Float, Objective, Study
from gradfleet.search.space import Entry, SearchSpace, When

EPOCHS, TRIALS = 27, 40
SPACE = SearchSpace(
    (
        Entry("optimizer", Choice("adam", "sgd")),
        Entry("optimizer.sgd.momentum", Float(0.0, 0.99), (When("optimizer", ("sgd",)),)),
        Entry("learning_rate", Float(1e-4, 1.0, log=True)),
    )
)


def worth(config: dict[str, Any]) -> float:
    """1 at the planted optimum: sgd with a momentum of 0.9 and a rate of 0.03."""
    away = (math.log10(config["learning_rate"]) + 1.5) ** 2 / 4
    return 1.0 - away - (0.9 - config.get("optimizer.sgd.momentum", 0.3)) ** 2


def train(config: dict[str, Any], report: Any) -> None:
    """A curve that rises for as long as it is trained, with the best in front for most of the way."""
    for epoch in range(1, EPOCHS + 1):
        report({"accuracy": worth(config) - math.exp(-epoch / 4)})


def search(folder: Path, *, space: SearchSpace = SPACE, **arguments: Any) -> Study:
    settings = {"trials": TRIALS, "epochs": EPOCHS, "cluster": "inline", "progress": False}
    model = AutoModel.from_function(train, space, Objective("accuracy", "max"))
    return model.fit(**settings | {"store": folder / "store.db"} | arguments)


@pytest.mark.row("SE6")
@pytest.mark.parametrize("scheduler", ["hyperband", "median", "pbt"])
def test_each_scheduler_runs_to_the_end_and_has_a_best(tmp_path: Path, scheduler: str) -> None:
    study = search(tmp_path, scheduler=scheduler, trials=16, epochs=9)
    assert len(study.trials) == 16
    assert {trial.state for trial in study.trials} <= {"COMPLETE", "PRUNED"}
    assert study.best.value == max(trial.value for trial in study.trials if trial.value is not None)


@pytest.mark.row("SE6")
def test_asha_spends_at_least_40_percent_fewer_epochs_and_still_finds_a_planted_optimum(tmp_path: Path) -> None:
    whole, halved = (search(tmp_path, name=scheduler, scheduler=scheduler) for scheduler in ("none", "asha"))
    assert sum(trial.epochs for trial in whole.trials) == TRIALS * EPOCHS
    assert sum(trial.epochs for trial in halved.trials) <= 0.6 * TRIALS * EPOCHS
    for study in (whole, halved):
        assert study.best.config["optimizer"] == "sgd"
        assert worth(study.best.config) > 0.97
    assert worth(SPACE.default()) < 0.7


@pytest.mark.row_part("SE13")
def test_the_default_sampler_is_said_in_the_spec(tmp_path: Path) -> None:
    study = search(tmp_path, trials=1)
    assert study.spec["search"]["sampler"] == "curves"


@pytest.mark.row_part("SE16")
def test_what_was_learned_is_kept_when_the_space_grows(tmp_path: Path) -> None:
    """The grown study knows the rate before its first trial with a momentum begins."""
    narrow = SearchSpace((Entry("optimizer", Choice("adam")), Entry("learning_rate", Float(1e-4, 1.0, log=True))))
    search(tmp_path, space=narrow, name="grown", trials=14)
    grown = search(tmp_path, name="grown", trials=26, extend=True)
    late = [trial.config for trial in grown.trials[14:]]
    assert {config["optimizer"] for config in late} == {"adam", "sgd"}
    near = [abs(math.log10(config["learning_rate"]) + 1.5) < 1.0 for config in late]
    assert sum(near) > 0.6 * len(late)
