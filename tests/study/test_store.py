"""The store keeps studies, trials and records, each exactly once."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from gradfleet.errors import NotFoundError, SettingError, StoreError, StudyMismatchError
from gradfleet.objective import Objective
from gradfleet.search.space import Choice, SearchSpace
from gradfleet.study.storage import database, marks
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.matching import check_match
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from tests.study import written

pytestmark = pytest.mark.stores


def record(epoch: int, accuracy: float, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(epoch, {"val_accuracy": accuracy, "val_loss": loss})


def begin_trial(store: Store, lease: Lease, number: int = 0) -> None:
    written.add_trial(store, lease, number, {"architecture": "mlp"}, seed=5, optuna_number=number)


def test_a_study_reads_back_as_it_was_made(
    store: Store, study: StudyRow, spec: dict[str, object], url: str, artifacts: str
) -> None:
    with Store.open(url) as again:
        assert again.study("digits") == study
    assert study.spec == spec
    assert study.objective == Objective("val_accuracy", "max")
    assert (study.fingerprint, study.seed, study.state) == ("abc", 7, "queued")
    assert study.artifacts == artifacts
    assert abs(study.created - time.time()) < 60


def test_words_that_no_database_takes_are_kept_as_escapes(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    why = "OSError: cannot read b\0d-\udcff.png"
    written.end_trial(store, lease, 0, "FAIL", reason=why, traceback=why)
    marks.note(store, study, 0, "b\0d")
    trial = store.trial(study.id, 0)
    assert (trial.note, trial.reason) == ("b\\x00d", "OSError: cannot read b\\x00d-\\udcff.png")
    with pytest.raises(NotFoundError, match="No study is called 'digits.x00'"):
        store.study("digits\0")


def test_a_study_keeps_the_versions_it_was_made_with(study: StudyRow) -> None:
    assert study.versions["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert study.versions["optuna"] == optuna.__version__
    assert list(study.versions)[:5] == ["python", "gradfleet", "torch", "ray", "optuna"]
    assert {"numpy", "pandas", "scikit-learn"} < set(study.versions)


def test_a_study_keeps_the_commit_of_the_working_folder(
    tmp_path: Path, spec: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open() as store:
        assert store.create_study("outside", spec).git_commit is None
        author = ["-c", "user.name=a", "-c", "user.email=a@b"]
        for command in (["init", "-q"], [*author, "commit", "-q", "--allow-empty", "-m", "first"]):
            subprocess.run(["git", *command], check=True)
        head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        assert store.create_study("inside", spec).git_commit == head


def test_the_default_store_is_a_file_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open() as store:
        assert store.url == f"sqlite:///{tmp_path}/gradfleet.db"
    assert (tmp_path / "gradfleet.db").is_file()


def test_a_relative_place_stays_where_it_was_when_the_folder_changes(
    tmp_path: Path, spec: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with Store.open("sqlite:///runs.db") as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        study = store.create_study("digits", spec, artifacts="kept")
        assert study.artifacts == str(tmp_path / "elsewhere" / "kept")
    assert (tmp_path / "runs.db").is_file()


def test_the_best_record_decides_the_value_and_not_the_last(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    for epoch, accuracy in enumerate([0.5, 0.9, 0.7], start=1):
        assert store.add_record(lease, 0, record(epoch, accuracy), f"epoch-{epoch}")
    trial = store.trial(study.id, 0)
    assert (trial.value, trial.best_epoch, trial.checkpoint, trial.epochs) == (0.9, 2, "epoch-2", 3)


def test_equal_records_are_told_apart_by_their_loss(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    for epoch, loss in enumerate([0.5, 0.3, 0.4], start=1):
        store.add_record(lease, 0, record(epoch, 0.9, loss))
    assert store.trial(study.id, 0).best_epoch == 2


def test_a_record_without_a_number_for_the_objective_is_kept_and_never_best(
    store: Store, study: StudyRow, lease: Lease
) -> None:
    begin_trial(store, lease)
    store.add_record(lease, 0, record(1, math.nan, loss=math.inf))
    store.add_record(lease, 0, EpochRecord(2, {"train_loss": -math.inf}))
    assert (store.trial(study.id, 0).value, store.trial(study.id, 0).epochs) == (None, 2)
    first, second = store.records(study.id, 0)
    assert math.isnan(first.metrics["val_accuracy"])
    assert first.metrics["val_loss"] == math.inf
    assert second.metrics == {"train_loss": -math.inf}
    store.add_record(lease, 0, record(3, 0.1))
    assert store.trial(study.id, 0).best_epoch == 3


def test_a_metric_reads_back_bit_for_bit(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    value = 0.1 + 0.2
    store.add_record(lease, 0, record(1, value))
    assert store.records(study.id)[0].metrics["val_accuracy"] == value
    assert store.trial(study.id, 0).value == value


@pytest.mark.row_part("SE5")
def test_an_epoch_is_kept_once(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    assert store.add_record(lease, 0, record(1, 0.5), "first")
    assert not store.add_record(lease, 0, record(1, 0.9), "second")
    assert [(row.metrics["val_accuracy"], row.checkpoint) for row in store.records(study.id)] == [(0.5, "first")]
    assert store.trial(study.id, 0).value == 0.5


@pytest.mark.row_part("SE5")
def test_a_trial_ends_once(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    store.add_record(lease, 0, record(1, 0.5))
    assert written.end_trial(store, lease, 0, "COMPLETE")
    assert not written.end_trial(store, lease, 0, "FAIL", reason="too late", traceback="Traceback")
    assert not store.add_record(lease, 0, record(2, 0.9))
    trial = store.trial(study.id, 0)
    assert (trial.state, trial.value, trial.reason, trial.traceback) == ("COMPLETE", 0.5, None, None)
    assert trial.ended is not None
    assert trial.ended >= trial.started


def test_a_trial_is_added_once(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    begin_trial(store, lease)
    assert len(store.trials(study.id)) == 1
    with pytest.raises(StoreError, match="Study 'digits' has a trial 0 already"):
        written.add_trial(store, lease, 0, {}, seed=0, optuna_number=9)


def test_a_stop_and_its_reason_are_there_before_the_end(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    written.note_stop(store, lease, 0, "PRUNED", "The scheduler stopped it after epoch 3.")
    trial = store.trial(study.id, 0)
    assert (trial.state, trial.stopping, trial.reason) == (
        "RUNNING",
        "PRUNED",
        "The scheduler stopped it after epoch 3.",
    )
    written.end_trial(store, lease, 0, "PRUNED")
    assert store.trial(study.id, 0).reason == "The scheduler stopped it after epoch 3."


def test_a_failed_trial_keeps_its_traceback(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    written.end_trial(store, lease, 0, "FAIL", reason="ValueError: no", traceback="Traceback ...\nValueError: no")
    assert store.trial(study.id, 0).traceback == "Traceback ...\nValueError: no"


def test_attempts_are_counted(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    written.note_attempt(store, lease, 0)
    assert store.trial(study.id, 0).attempts == 2


def test_a_forgotten_checkpoint_leaves_the_numbers(store: Store, study: StudyRow, lease: Lease) -> None:
    begin_trial(store, lease)
    for epoch in (1, 2):
        store.add_record(lease, 0, record(epoch, epoch / 10), f"epoch-{epoch}")
    written.forget_checkpoints(store, lease, [f"epoch-{epoch}" for epoch in range(2, 1200)])
    assert [row.checkpoint for row in store.records(study.id)] == ["epoch-1", None]
    assert (store.trial(study.id, 0).value, store.trial(study.id, 0).checkpoint) == (0.2, None)


def test_an_unknown_study_names_the_nearest(store: Store, study: StudyRow) -> None:
    with pytest.raises(NotFoundError, match=r"No study is called 'digit'\. Did you mean 'digits'\?"):
        store.study("digit")


def test_an_unknown_trial_says_how_many_there_are(store: Store, study: StudyRow) -> None:
    with pytest.raises(NotFoundError, match="The study has no trial 3; it has 0"):
        store.trial(study.id, 3)


def test_a_name_is_given_once(store: Store, study: StudyRow, spec: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=r"'digits' is in the store .* already\. Pass resume=True"):
        store.create_study("digits", spec, artifacts="here")


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", ".hidden", "-rf", "ä", "a" * 101, "a\n"])
def test_a_name_that_is_no_folder_is_refused(store: Store, spec: dict[str, object], name: str) -> None:
    with pytest.raises(SettingError, match="A study's name has up to 100 letters"):
        store.create_study(name, spec, artifacts="here")


def test_resuming_with_the_same_gives_the_study(store: Store, study: StudyRow, spec: dict[str, object]) -> None:
    assert store.open_study("digits", {**spec, "search": {"trials": 90}}, fingerprint="abc") == study


@pytest.mark.row_part("SE5")
def test_resuming_with_something_else_shows_what_differs(
    store: Store, study: StudyRow, spec: dict[str, Any], space: SearchSpace
) -> None:
    learning_rate = space.entries[2]
    other = SearchSpace((*space.entries[:2], learning_rate, type(learning_rate)("batch_size", Choice(32, 64))))
    given = {"objective": {"metric": "val_loss", "mode": "min"}, "space": other.to_json()}
    with pytest.raises(StudyMismatchError) as caught:
        store.open_study("digits", given, fingerprint="xyz")
    lines = str(caught.value).splitlines()
    assert lines[0] == "Study 'digits' exists and was made from something else:"
    assert '  data: the store has "abc", "xyz" came' in lines
    assert '  objective.metric: the store has "val_accuracy", "val_loss" came' in lines
    assert any(line.startswith("  space.dimensions.batch_size: the store has none, {") for line in lines)
    assert len(lines) == 6


FACTS: dict[str, Any] = {
    "kind": "multiclass",
    "input_shape": [4],
    "num_outputs": 2,
    "labels": ["cat", "dog"],
    "num_rows": {"train": 400, "validation": 100},
    "preparation": {"mean": [0.1]},
}


def differences(store: Store, spec: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    store.create_study("facts", {**spec, "facts": FACTS}, fingerprint="abc", artifacts="here")
    with pytest.raises(StudyMismatchError) as caught:
        store.open_study("facts", {**spec, "facts": facts}, fingerprint="xyz")
    return str(caught.value).splitlines()[1:-1]


def test_of_other_data_its_facts_that_differ_are_shown(store: Store, spec: dict[str, Any]) -> None:
    rows = {"train": 480, "validation": 100}
    other = {**FACTS, "labels": ["cat", "dog", "wolf"], "num_outputs": 3, "num_rows": rows, "preparation": None}
    assert differences(store, spec, other) == [
        "  data.num_outputs: the store has 2, 3 came",
        '  data.labels: the store has ["cat", "dog"], ["cat", "dog", "wolf"] came',
        "  data.num_rows.train: the store has 400, 480 came",
    ]


def test_of_other_data_with_the_same_facts_it_is_said_that_its_content_is_another(
    store: Store, spec: dict[str, Any]
) -> None:
    assert differences(store, spec, {**FACTS, "preparation": {"mean": [0.2]}}) == [
        '  data.content or split (kind, shape, classes and numbers of rows agree): the store has "abc", "xyz" came'
    ]


def test_of_long_lists_what_differs_is_shown() -> None:
    names = [f"class number {number}" for number in range(9)]
    with pytest.raises(StudyMismatchError) as caught:
        check_match("digits", {"labels": names}, {"labels": [*names[1:], "new"]})
    line = '  labels: only the store has ["class number 0"], only what came has ["new"]'
    assert str(caught.value).splitlines()[1] == line


def test_other_repeats_are_what_differs_and_nothing_else(store: Store, spec: dict[str, Any]) -> None:
    store.create_study("once", spec, fingerprint="abc", artifacts="here")
    goal = {"objectives": [spec["objective"]], "constraints": [], "num_runs": 2}
    given = {**spec, "objective": goal, "runs": {"repeats": 2, "folds": []}}
    with pytest.raises(StudyMismatchError) as caught:
        store.open_study("once", given, fingerprint="abc")
    assert str(caught.value).splitlines()[1:-1] == [
        "  objective.num_runs: the store has 1, 2 came",
        "  runs.repeats: the store has 1, 2 came",
    ]


def test_folds_of_other_data_are_not_told_of_one_by_one(store: Store, spec: dict[str, Any]) -> None:
    goal = {"objectives": [spec["objective"]], "constraints": [], "num_runs": 2}
    folds = [{"fingerprint": name, "place": f"/data/{name}"} for name in ("a", "b", "c", "d")]
    there, came = ({**spec, "objective": goal, "runs": {"repeats": 1, "folds": two}} for two in (folds[:2], folds[2:]))
    store.create_study("folded", there, fingerprint="b", artifacts="here")
    with pytest.raises(StudyMismatchError) as caught:
        store.open_study("folded", came, fingerprint="d")
    assert str(caught.value).splitlines()[1:-1] == ['  data: the store has "b", "d" came']


def test_a_changed_range_is_one_line(store: Store, study: StudyRow, spec: dict[str, Any]) -> None:
    dimensions = [dict(dimension) for dimension in spec["space"]["dimensions"]]
    dimensions[2]["high"] = 0.5
    with pytest.raises(
        StudyMismatchError, match=r"space\.dimensions\.learning_rate\.high: the store has 0\.1, 0\.5 came"
    ):
        store.open_study("digits", {**spec, "space": {"dimensions": dimensions}}, fingerprint="abc")


def test_two_processes_may_make_a_store_at_once(url: str, begin: Callable[..., subprocess.Popen[str]]) -> None:
    code = """
import sys
from gradfleet.study.storage.store import Store
print("ready"); sys.stdin.readline()
print(len(Store.open(sys.argv[1]).studies()))
"""
    processes = [begin(code, url) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
    assert [process.stdout.readline() for process in processes if process.stdout is not None] == ["0\n"] * 3


def test_a_connection_that_comes_back_after_the_close_is_closed_too(url: str) -> None:
    store = Store.open(url)
    late = store.database.engine.connect()
    connection = late.connection.dbapi_connection
    assert connection is not None
    store.close()
    late.close()
    with pytest.raises(store.database.engine.dialect.loaded_dbapi.Error, match="closed"):
        connection.cursor()


@pytest.mark.stores("sqlite")
def test_a_store_that_is_there_opens_fast(store: Store, file: Path) -> None:
    def seconds() -> float:
        begun = time.process_time()
        Store.open(file).close()
        return time.process_time() - begun

    assert min(seconds() for _ in range(3)) < 0.1


@pytest.mark.stores("sqlite")
def test_a_locked_database_is_waited_for(store: Store, study: StudyRow, lease: Lease, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, lambda: other.execute("COMMIT")).start()
    begin_trial(store, lease)
    assert len(store.trials(study.id)) == 1
    other.close()


def test_a_database_that_stays_locked_is_an_error_with_the_next_step(file: Path, spec: dict[str, object]) -> None:
    with Store.open(file, patience=0.3) as store:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"did not answer for 0\.3 s \(database is locked\).*resume=True"):
            store.create_study("digits", spec)
        other.close()


def test_a_server_that_has_never_answered_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_FIRST_ANSWER", 0.2)
    with pytest.raises(StoreError, match=r"does not answer \(.*\)\. See that the server runs, and that the address"):
        Store.open("postgresql://127.0.0.1:1/sweeps")


@pytest.mark.stores("sqlite")
def test_sqlite_does_not_wait_for_the_disk_at_each_commit(store: Store) -> None:
    with store.database.engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 1]
