"""A user's own training function as a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from gradfleet.errors import ExecutionError, SettingError, TrialStopped
from gradfleet.objective import Objective
from gradfleet.training.history import EpochRecord
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.run import run_trial

Kept = list[tuple[EpochRecord, str | None]]


@pytest.fixture
def plan(tmp_path: Path) -> TrialPlan:
    return TrialPlan(3, {"x": 0.5}, Objective("score", "max"), epochs=3, checkpoints=str(tmp_path / "trial-0003"))


def run(train: Callable[..., None], plan: TrialPlan) -> Kept:
    kept: Kept = []

    def report(record: EpochRecord, checkpoint: str | None = None) -> None:
        kept.append((record, checkpoint))

    FunctionRecipe(train).run(plan, report)
    return kept


def test_it_gets_the_flat_configuration_and_its_reports_count_epochs_from_1(plan: TrialPlan) -> None:
    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        report({"score": config["x"]})
        report({"score": 1, "loss": 2})

    assert run(train, plan) == [
        (EpochRecord(1, {"score": 0.5}), None),
        (EpochRecord(2, {"score": 1.0, "loss": 2.0}), None),
    ]


def test_it_may_number_its_epochs_itself(plan: TrialPlan) -> None:
    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        report({"score": 0.1}, epoch=2)
        report({"score": 0.2})

    assert [record.epoch for record, _ in run(train, plan)] == [2, 3]


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (0.5, r"report takes numbers by name, such as \{'val_loss': 0\.31\}, got 0\.5\."),
        ({"loss": 0.5, "score": "good"}, r"report takes numbers by name, and 'score' is none: 'good'\."),
        ({"score": None}, r"'score' is none: None\."),
        ({"score": [0.1, 0.2]}, r"'score' is none: \[0\.1, 0\.2\]\."),
        ({"score": torch.zeros(2)}, r"'score' is none: tensor\(\[0\., 0\.\]\)\."),
    ],
)
def test_what_is_no_number_is_refused_by_its_name(plan: TrialPlan, metrics: Any, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        run(lambda config, report: report(metrics), plan)


@pytest.mark.parametrize("epoch", [0, -4, 0.5, 1.5, 2.0, "1", True, numpy.float64(1)])
def test_an_epoch_that_is_no_whole_number_from_1_on_fails_the_trial(plan: TrialPlan, epoch: Any) -> None:
    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        report({"score": 0.1}, epoch=epoch)

    kept: Kept = []
    with pytest.raises(SettingError, match=r"Epochs count from 1: .* got .*\. Leave it out .* pass epoch \+ 1"):
        FunctionRecipe(train).run(plan, lambda record, checkpoint=None: kept.append((record, checkpoint)))
    assert kept == []


def test_an_epoch_may_be_a_whole_number_of_numpys(plan: TrialPlan) -> None:
    assert run(lambda config, report: report({"score": 0.1}, epoch=numpy.int64(2)), plan)[0][0].epoch == 2


def test_a_checkpoint_folder_is_copied_to_the_trials_own_place(plan: TrialPlan, tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        for epoch in (1, 2):
            (mine / "weights").write_text(str(epoch))
            report({"score": 0.1}, checkpoint=mine)

    addresses = [checkpoint for _, checkpoint in run(train, plan)]
    assert addresses == [f"{plan.checkpoints}/epoch-0001", f"{plan.checkpoints}/epoch-0002"]
    assert [Path(address or "", "weights").read_text() for address in addresses] == ["1", "2"]
    assert sorted(path.name for path in Path(plan.checkpoints or "").iterdir()) == ["epoch-0001", "epoch-0002"]


def test_without_a_place_for_checkpoints_none_is_copied(plan: TrialPlan, tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        report({"score": 0.1}, checkpoint=tmp_path)

    assert run(train, replace(plan, checkpoints=None)) == [(EpochRecord(1, {"score": 0.1}), None)]


def test_an_epoch_that_was_recorded_keeps_the_checkpoint_that_was_measured(plan: TrialPlan, tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        mine = tmp_path / "mine"
        mine.mkdir(exist_ok=True)
        (mine / "weights").write_text(config["made"])
        for _ in range(2):
            report({"score": 0.1}, checkpoint=mine)

    run(train, replace(plan, config={"made": "first"}))
    again = run(train, replace(plan, config={"made": "again"}, recorded=1))
    assert [checkpoint for _, checkpoint in again] == [None, f"{plan.checkpoints}/epoch-0002"]
    made = [Path(plan.checkpoints or "", name, "weights").read_text() for name in ("epoch-0001", "epoch-0002")]
    assert made == ["first", "again"]


def test_a_copy_that_was_cut_off_is_begun_anew(plan: TrialPlan, tmp_path: Path) -> None:
    unfinished = Path(plan.checkpoints or "", "epoch-0001.unfinished")
    unfinished.mkdir(parents=True)
    (unfinished / "half").touch()

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").touch()
    run(lambda config, report: report({"score": 0.1}, checkpoint=tmp_path / "mine"), plan)
    assert [path.name for path in Path(plan.checkpoints or "").iterdir()] == ["epoch-0001"]
    assert {path.name for path in Path(plan.checkpoints or "", "epoch-0001").iterdir()} == {"weights", ".files.json"}


def test_it_ends_when_it_reports_beyond_its_epochs_and_may_finish_what_it_does_after_the_last(
    plan: TrialPlan,
) -> None:
    finished = []

    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        for epoch in range(1, 100):
            report({"score": 0.1})
            finished.append(epoch)

    kept: Kept = []
    assert (
        run_trial(FunctionRecipe(train), plan, lambda record, checkpoint=None: kept.append((record, checkpoint)))
        is None
    )
    assert finished == [record.epoch for record, _ in kept] == [1, 2, 3]


def test_an_except_exception_does_not_swallow_the_stop(plan: TrialPlan) -> None:
    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        while True:
            try:
                report({"score": 0.1})
            except Exception:
                continue

    def stop(record: EpochRecord, checkpoint: str | None = None) -> None:
        raise TrialStopped

    assert run_trial(FunctionRecipe(train), plan, stop) is None


def test_its_checkpoint_can_be_loaded_by_its_author_only(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match=f"load its checkpoint yourself from {tmp_path}"):
        FunctionRecipe(print).load(tmp_path)  # type: ignore[arg-type]
