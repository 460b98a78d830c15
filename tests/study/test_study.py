"""What a user reads from a study, in the process that made it or in another."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest

from gradfleet.errors import ExecutionError, LeaseHeldError, NotFoundError, NoUsableTrialError, SettingError
from gradfleet.study.mirror.generation import Generation
from gradfleet.study.storage import requests
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow, TrialState
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.training.history import EpochRecord
from gradfleet.trials import checkpoints
from gradfleet.trials.plan import Config
from gradfleet.trials.recipes import by_value, pickle_reference, store_recipe
from tests.study import written

Add = Callable[..., None]


@dataclass(frozen=True)
class Reader:
    """A recipe whose predictor is the text in the checkpoint."""

    def run(self, plan: Any, report: Any) -> None:
        raise NotImplementedError

    def load(self, checkpoint: Path) -> Any:
        return (checkpoint / "weights").read_text()


def save(study: StudyRow, number: int, epoch: int) -> str:
    """Write a checkpoint that a `Reader` reads."""

    def write(folder: Path) -> None:
        folder.mkdir()
        (folder / "weights").write_text(f"trial {number}, epoch {epoch}")

    place = f"{study.artifacts}/{study.name}/trial-{number:04d}"
    return checkpoints.write(checkpoints.epoch_address(place, epoch), write)


@pytest.fixture
def add(store: Store, lease: Lease) -> Add:
    """Adds a whole trial, its checkpoints included: `add(0, "COMPLETE", [(accuracy, loss), ...])`."""

    def trial(
        number: int,
        state: TrialState,
        values: list[tuple[float, float]],
        *,
        config: Config | None = None,
        saved: bool = True,
        reason: str | None = None,
        traceback: str | None = None,
    ) -> None:
        written.add_trial(store, lease, number, config or {"architecture": "mlp"}, seed=0, optuna_number=number)
        for epoch, (accuracy, loss) in enumerate(values, start=1):
            metrics = {"val_accuracy": accuracy, "val_loss": loss}
            store.add_record(
                lease, number, EpochRecord(epoch, metrics), save(lease.study, number, epoch) if saved else None
            )
        if state != "RUNNING":
            written.end_trial(store, lease, number, state, reason=reason, traceback=traceback)

    return trial


@pytest.fixture
def found(store: Store, study: StudyRow) -> Study:
    return Study(store, study, recipe=Reader())


@pytest.mark.row_part("SE8")
def test_the_best_is_the_best_record_and_not_the_last(found: Study, add: Add) -> None:
    add(0, "COMPLETE", [(0.5, 1.0), (0.6, 1.0)])
    add(1, "COMPLETE", [(0.7, 1.0), (0.9, 0.5), (0.2, 2.0)], config={"architecture": "cnn"})
    best = found.best
    assert (best.number, best.value, best.epoch, best.config) == (1, 0.9, 2, {"architecture": "cnn"})
    assert best.metrics == {"val_accuracy": 0.9, "val_loss": 0.5}
    assert best.model() == "trial 1, epoch 2"


def test_equal_values_are_told_apart_by_loss_and_then_by_number(found: Study, add: Add) -> None:
    add(0, "COMPLETE", [(0.9, 0.5)])
    add(1, "PRUNED", [(0.9, 0.3)])
    add(2, "COMPLETE", [(0.9, 0.3)])
    assert found.best.number == 1
    assert list(found.leaderboard()["trial"]) == [1, 2, 0]


def test_failed_and_running_trials_are_never_best(found: Study, add: Add) -> None:
    add(0, "FAIL", [(0.99, 0.1)])
    add(1, "RUNNING", [(0.98, 0.1)])
    add(2, "PRUNED", [(0.1, 2.0)])
    assert found.best.number == 2


def test_without_a_result_the_causes_are_counted(found: Study, add: Add) -> None:
    add(0, "FAIL", [], traceback="Traceback\n  ...\nValueError: width is odd\n")
    add(1, "FAIL", [], reason="Its worker process died 3 times.")
    add(2, "FAIL", [], traceback="Traceback\n  ...\nValueError: width is odd\n")
    add(3, "COMPLETE", [(math.nan, math.nan)])
    counted = (
        r"has a result: 3 of 4 failed: ValueError: width is odd \(2\), Its worker process died 3 times \(1\)\. The"
    )
    with pytest.raises(NoUsableTrialError, match=counted + ".* 1 of 4 ended, and 'val_accuracy' was never a number"):
        _ = found.best


def test_where_every_value_is_nan_that_is_said(found: Study, add: Add) -> None:
    add(0, "COMPLETE", [(math.nan, math.nan)])
    add(1, "PRUNED", [(math.nan, math.nan)])
    with pytest.raises(
        NoUsableTrialError,
        match=r"has a result: 2 of 2 ended, and 'val_accuracy' was never a number in them\. .*study\.history\(0\)",
    ):
        _ = found.best


def test_without_a_trial_that_has_ended_there_is_no_best_yet(found: Study, add: Add) -> None:
    with pytest.raises(NoUsableTrialError, match="No trial of study 'digits' has begun yet"):
        _ = found.best
    add(0, "RUNNING", [(0.9, 0.1)])
    with pytest.raises(NoUsableTrialError, match="has a result yet: 1 were started, none has ended with one"):
        _ = found.best


def test_a_best_record_without_a_checkpoint_has_a_value_and_no_model(found: Study, add: Add) -> None:
    add(0, "COMPLETE", [(0.9, 0.1)], saved=False)
    assert found.best.value == 0.9
    with pytest.raises(
        NotFoundError, match="Trial 0 has no model: its best record, epoch 1, came without a checkpoint"
    ):
        found.best.model()


def test_a_checkpoint_that_was_deleted_behind_our_back_is_named(found: Study, add: Add) -> None:
    add(0, "COMPLETE", [(0.9, 0.1)])
    found.artifacts.delete(found.artifacts.place("digits", 0))
    with pytest.raises(NotFoundError, match=r"Nothing is at .*/digits/trial-0000/epoch-0001"):
        found.best.model()


@pytest.mark.row_part("TP3")
def test_the_leaderboard_has_a_row_a_trial(found: Study, add: Add) -> None:
    add(0, "COMPLETE", [(0.5, 1.0)], config={"architecture": "mlp", "state": "warm"})
    add(1, "FAIL", [], config={"architecture": "mlp"}, reason="ValueError: no")
    add(2, "RUNNING", [(0.99, 0.1)], config={"architecture": "cnn", "architecture.cnn.channels": 8})
    add(3, "PRUNED", [(0.4, 1.0), (0.7, 0.5), (0.6, 1.0)], reason="The scheduler stopped it after epoch 3.")
    table = found.leaderboard()
    assert list(table.columns) == [
        *("trial", "value", "state", "best_epoch", "epochs", "seconds", "reason", "starred", "note"),
        *("architecture", "config.state", "architecture.cnn.channels"),
    ]
    assert list(table["trial"]) == [3, 0, 2, 1]
    first = table.iloc[0]
    assert (first["value"], first["best_epoch"], first["epochs"], first["state"]) == (0.7, 2, 3, "PRUNED")
    assert first["reason"] == "The scheduler stopped it after epoch 3."
    assert table["seconds"].between(0, 60).all()
    assert found.leaderboard(top=2)["trial"].tolist() == [3, 0]
    assert found.best.number == table["trial"][0]


def test_a_leaderboard_without_trials_is_empty(found: Study) -> None:
    assert len(found.leaderboard()) == 0
    assert "value" in found.leaderboard().columns


def test_one_trial_and_its_history(found: Study, add: Add) -> None:
    add(0, "PRUNED", [(0.4, 1.0), (0.7, 0.5), (0.6, 1.0)])
    assert found.history(0).values("val_accuracy") == [0.4, 0.7, 0.6]
    view = found.trial(0)
    assert (view.state, view.value, view.epoch, view.metrics["val_loss"]) == ("PRUNED", 0.7, 2, 0.5)
    assert view.model() == "trial 0, epoch 2"
    for read in (found.trial, found.history):
        with pytest.raises(NotFoundError, match="no trial 5"):
            read(5)


def test_a_trial_without_records_has_no_model(found: Study, add: Add) -> None:
    add(0, "FAIL", [])
    with pytest.raises(NotFoundError, match="Trial 0 has no model: it recorded no epoch"):
        found.trial(0).model()


@pytest.mark.row_part("TP3")
def test_another_process_reads_the_same(found: Study, add: Add, file: Path, begin: Callable[..., Any]) -> None:
    add(0, "COMPLETE", [(0.5, 1.0), (0.75, 0.5)])
    code = """
import sys
from gradfleet.study.study import Study
study = Study.attach("digits", store=sys.argv[1])
print(study.best.value, study.history(0).values("val_loss"), len(study.leaderboard()), "torch" in sys.modules)
"""
    process: subprocess.Popen[str] = begin(code, file)
    assert process.communicate()[0] == "0.75 [1.0, 0.5] 1 False\n"


def test_attaching_finds_state_and_leaves_requests(found: Study, store: Store, lease: Lease, file: Path) -> None:
    store.set_state(lease, "running")
    attached = Study.attach("digits", store=file)
    assert attached.state == "running"
    identity = attached.request("stop")
    assert [row.id for row in requests.pending(store, lease.study)] == [identity]
    with pytest.raises(SettingError, match="No request is called 'halt'"):
        attached.request("halt")


def test_attaching_to_nothing_says_so(tmp_path: Path, store: Store) -> None:
    with pytest.raises(NotFoundError, match="There is no store at"):
        Study.attach("digits", store=tmp_path / "other.db")
    with pytest.raises(NotFoundError, match="No study is called 'digits'"):
        Study.attach("digits", store=store.database.url.database)


def test_a_recipe_by_value_is_loaded_only_when_trusted(
    store: Store, spec: dict[str, object], tmp_path: Path, file: Path
) -> None:
    place = str(tmp_path / "gradfleet-artifacts" / "digits")
    store_recipe(by_value(Reader()), place)
    study = store.create_study("digits", {**spec, "recipe": pickle_reference(place)})
    with Lease.acquire(store, study) as lease:
        written.add_trial(store, lease, 0, {}, seed=0, optuna_number=0)
        store.add_record(lease, 0, EpochRecord(1, {"val_accuracy": 0.5}), save(study, 0, 1))
        written.end_trial(store, lease, 0, "COMPLETE")
    with pytest.raises(ExecutionError, match="trust_recipe=True"):
        Study.attach("digits", store=file).best.model()
    assert Study.attach("digits", store=file, trust_recipe=True).best.model() == "trial 0, epoch 1"


def test_a_deleted_study_leaves_nothing(store: Store, spec: dict[str, object], tmp_path: Path, file: Path) -> None:
    study = store.create_study("letters", spec)
    other = store.create_study("digits", spec)
    for row in (study, other):
        Generation(store, row, lambda number: optuna.samplers.RandomSampler(seed=number))
        with Lease.acquire(store, row) as lease:
            written.add_trial(store, lease, 0, {}, seed=0, optuna_number=0)
            store.add_record(lease, 0, EpochRecord(1, {"val_accuracy": 0.5}), save(row, 0, 1))
    Study(store, study).delete()
    assert [row.name for row in store.studies()] == ["digits"]
    assert (store.trials(study.id), store.records(study.id), store.generations(study.id)) == ([], [], [])
    assert optuna.get_all_study_names(store.url) == ["digits-generation-0"]
    assert [path.name for path in (tmp_path / "gradfleet-artifacts").iterdir()] == ["digits"]
    assert store.create_study("letters", spec).state == "queued"


def test_a_study_that_is_driven_is_not_deleted(found: Study, lease: Lease, store: Store) -> None:
    with pytest.raises(LeaseHeldError, match="Study 'digits' is held by process"):
        found.delete()
    assert len(store.studies()) == 1


def test_a_study_shows_its_name_its_state_and_its_best_above_the_table(found: Study, add: Add) -> None:
    assert found._repr_html_().startswith("<p><strong>digits</strong> is queued: no result yet</p><table")
    add(0, "COMPLETE", [(0.5, 1.0), (0.75, 0.5)])
    assert "is queued: best val_accuracy 0.7500, trial 0</p>" in found._repr_html_()
