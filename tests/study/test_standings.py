"""The leaderboard: filtered, sorted, starred, noted, in every form it is shown in."""

from __future__ import annotations

import io
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gradfleet.errors import NotFoundError, SettingError
from gradfleet.study.conditions import Condition
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.training.history import EpochRecord
from tests.study import written


@pytest.fixture
def found(store: Store, study: StudyRow, lease: Lease) -> Study:
    """Four trials: two networks, one of them pruned, one that failed."""
    configs: list[dict[str, Any]] = [
        {"architecture": "mlp", "learning_rate": 0.1},
        {"architecture": "cnn", "learning_rate": 0.01, "architecture.cnn.channels": 8},
        {"architecture": "cnn", "learning_rate": 0.3, "architecture.cnn.channels": 32},
        {"architecture": "mlp", "learning_rate": 0.9},
    ]
    for number, config in enumerate(configs):
        written.add_trial(store, lease, number, config, seed=number, optuna_number=number)
    for number, accuracy in enumerate((0.8, 0.95, 0.9)):
        store.add_record(lease, number, EpochRecord(1, {"val_accuracy": accuracy, "val_loss": 1 - accuracy}))
        written.end_trial(store, lease, number, "PRUNED" if number == 2 else "COMPLETE")
    written.end_trial(store, lease, 3, "FAIL", reason="ValueError: no")
    return Study(store, study)


def shown(study: Study, **asked: Any) -> list[int]:
    return study.leaderboard(**asked)["trial"].tolist()


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("value >= 0.9", [1, 2]),
        ("value<0.9", [0]),
        ("architecture = cnn", [1, 2]),
        ("architecture ~ ML", [0, 3]),
        ("architecture.cnn.channels == 8", [1]),
        ("architecture.cnn.channels != 8", [2, 0, 3]),
        ("architecture.cnn.channels = none", [0, 3]),
        ("architecture > 3", []),
        ("state = 'COMPLETE'", [1, 0]),
        (["architecture = cnn", "learning_rate > 0.1"], [2]),
    ],
)
@pytest.mark.row_part("TP4")
def test_conditions_choose_the_rows(found: Study, where: Any, numbers: list[int]) -> None:
    assert shown(found, where=where) == numbers


@pytest.mark.row_part("TP4")
def test_columns_sort_the_rows_and_what_has_no_value_comes_last(found: Study) -> None:
    assert shown(found, sort="learning_rate") == [1, 0, 2, 3]
    assert shown(found, sort="-learning_rate") == [3, 2, 0, 1]
    assert shown(found, sort=["architecture", "-value"]) == [1, 2, 0, 3]
    assert shown(found, sort="-architecture.cnn.channels") == [2, 1, 0, 3]
    assert shown(found, sort="-value", top=1) == [1]


def test_everything_that_cannot_be_asked_is_said_at_once(found: Study) -> None:
    with pytest.raises(
        SettingError, match=r"(?s)3 problems:.*as in 'value >= 0.9', got 'really\?'.*'valeu'. Did you"
    ) as e:
        found.leaderboard(where=["really?", "valeu > 3"], sort="second")
    assert "No column of the leaderboard is called 'second'. Did you mean 'seconds'?" in str(e.value)


@pytest.mark.parametrize("where", ["value > 0.8 and starred", "seconds <= 10s"])
def test_numbers_are_compared_with_numbers(found: Study, where: str) -> None:
    with pytest.raises(SettingError, match=r"has numbers and is compared with one, got '.*'\. Several conditions are"):
        found.leaderboard(where=where)


@pytest.mark.parametrize("name", ["learning rate", "net/width", "ärger"])
def test_a_column_is_found_whatever_its_name_is_made_of(name: str) -> None:
    assert Condition.parse(f" {name}>= 3") == Condition(name, ">=", 3)


def test_a_condition_that_nothing_meets_leaves_an_empty_table(found: Study) -> None:
    table = found.leaderboard(where="value > 2", sort="-value")
    assert (len(table), "value" in table.columns) == (0, True)
    assert found.standings().select("value > 2").top(3).to_json()["trials"] == []


def test_a_condition_is_never_run_as_code() -> None:
    condition = Condition.parse("note = __import__('os').abort()")
    assert condition == Condition("note", "=", "__import__('os').abort()")


@pytest.mark.row_part("TP4")
def test_stars_and_notes_stay_with_the_trial(found: Study, store: Store) -> None:
    found.star(2)
    found.note(2, "  learns fast  ")
    again = Study(store, found.row)
    assert (again.trial(2).starred, again.trial(2).note) == (True, "learns fast")
    assert shown(again, where="starred") == shown(again, where="note ~ fast") == [2]
    again.star(2, starred=False)
    again.note(2, "")
    assert (found.trial(2).starred, found.trial(2).note) == (False, None)
    with pytest.raises(NotFoundError, match="no trial 9; it has 4"):
        found.star(9)


@pytest.mark.row_part("TP4")
def test_four_writers_at_once_lose_nothing(found: Study, file: Path, begin: Callable[..., Any]) -> None:
    code = """
import sys
from gradfleet.study.study import Study
study, number = Study.attach("digits", store=sys.argv[1]), int(sys.argv[2])
for turn in range(25):
    study.note(number, f"writer {number}, turn {turn}")
    study.star(number, starred=turn % 2 == 0)
    study.request("pause", {"writer": number, "turn": turn})
"""
    writers: list[subprocess.Popen[str]] = [begin(code, file, number) for number in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0, 0]
    assert [found.trial(number).note for number in range(4)] == [f"writer {number}, turn 24" for number in range(4)]
    assert shown(found, where="starred", sort="trial") == [0, 1, 2, 3]
    with sqlite3.connect(file) as connection:
        asked = connection.execute("SELECT count(DISTINCT arguments) FROM gradfleet_requests").fetchone()[0]
    assert asked == 100


def test_the_same_leaderboard_as_text_table_html_and_json(found: Study) -> None:
    found.star(2)
    found.note(2, "<b>bold</b>")
    standings = found.standings()
    lines = standings.text().splitlines()
    assert lines[0].split() == ["trial", "val_accuracy", "state", "epoch", "seconds", "config", "note", "reason"]
    assert lines[2].split()[:2] == ["2", "★"]
    console = Console(file=io.StringIO(), width=120, force_terminal=True, record=True)
    console.print(standings)
    assert [line.split()[0] for line in console.export_text().splitlines() if line.strip()][3:] == ["1", "2", "0", "3"]
    html = found._repr_html_()
    assert html.count("<tr") == 5
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "<b>" not in html
    trials = standings.to_json()["trials"]
    assert [one["trial"] for one in trials] == [1, 2, 0, 3]
    assert trials[1]["metrics"] == {"val_accuracy": 0.9, "val_loss": pytest.approx(0.1)}


def test_a_store_of_the_first_version_gets_what_it_lacks(found: Study, store: Store, file: Path) -> None:
    store.close()
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE gradfleet_sources")
        connection.execute("ALTER TABLE gradfleet_trials DROP COLUMN starred")
        connection.execute("ALTER TABLE gradfleet_trials DROP COLUMN note")
        connection.execute("ALTER TABLE gradfleet_studies DROP COLUMN git_dirty")
        connection.execute("ALTER TABLE gradfleet_studies DROP COLUMN problem")
        connection.execute("UPDATE gradfleet_schema SET version = 1")
    again = Study.attach("digits", store=file)
    assert shown(again) == [1, 2, 0, 3]
    again.star(0)
    assert shown(again, where="starred") == [0]


def test_a_number_of_rows_below_0_is_refused(found: Study) -> None:
    assert shown(found, top=0) == []
    with pytest.raises(SettingError, match=r"A leaderboard has 0 rows or more, got top=-1; None shows all\."):
        found.leaderboard(-1)
