"""The database is away for a while: nothing is lost, and stderr says so."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradfleet.errors import StoreError
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from tests.faults.conftest import search
from tests.plugin.postgresql import PostgreSQL

Report = Callable[..., None]


def complete(study: Study) -> list[tuple[int, str, list[int]]]:
    return [(row.number, row.state, [record.epoch for record in study.history(row.number)]) for row in study.trials]


def interrupted(at: int, fault: Callable[[], None]) -> Callable[[dict[str, Any], Report], None]:
    """A training function in whose trial `at` the fault begins."""
    begun: list[int] = []

    def train(config: dict[str, Any], report: Report) -> None:
        begun.append(len(begun))
        for epoch in (1, 2, 3):
            if begun[-1] == at and epoch == 2:
                fault()
            report({"score": config["x"] * epoch})

    return train


@pytest.mark.soak
@pytest.mark.row_part("SE5")
def test_a_server_that_is_stopped_and_started_again_costs_time_and_nothing_else(
    postgresql: PostgreSQL,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    soak: bool,  # noqa: FBT001
) -> None:
    away = 20.0 if soak else 4.0

    def outage() -> None:
        postgresql.stop(mode="immediate")
        threading.Timer(away, postgresql.start).start()

    began = time.monotonic()
    study = search(
        interrupted(1, outage), trials=4, store=postgresql.new_database(), artifacts=str(tmp_path / "artifacts")
    )
    assert time.monotonic() - began > away
    assert complete(study) == [(number, "COMPLETE", [1, 2, 3]) for number in range(4)]
    said = capsys.readouterr().err
    assert said.count("does not answer (") == 1
    assert said.count("trying again for up to 60 s. Running trials wait; nothing is lost.") == 1
    assert said.count("The store answers again, after ") == 1


@pytest.mark.soak
def test_a_file_that_another_program_locks_costs_time_and_nothing_else(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    soak: bool,  # noqa: FBT001
) -> None:
    away = 20.0 if soak else 4.0
    file = tmp_path / "gradfleet.db"

    def lock() -> None:
        other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(away, other.close).start()

    study = search(interrupted(1, lock), trials=4, store=file)
    assert complete(study) == [(number, "COMPLETE", [1, 2, 3]) for number in range(4)]
    said = capsys.readouterr().err
    assert said.count("does not answer (database is locked); trying again for up to 60 s.") == 1
    assert said.count("The store answers again, after ") == 1


@pytest.mark.row_part("SE5")
def test_a_record_that_the_store_could_not_take_is_there_after_the_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "gradfleet.db"
    patient = Store.open
    monkeypatch.setattr(Store, "open", lambda url, **options: patient(url, **{**options, "patience": 0.5}))
    locks: list[sqlite3.Connection] = []

    def train(config: dict[str, Any], report: Report) -> None:
        resumed = bool(locks)
        for epoch in (1, 2, 3):
            if epoch == 2 and not resumed:
                locks.append(sqlite3.connect(file, isolation_level=None, check_same_thread=False))
                locks[0].execute("BEGIN IMMEDIATE")
            report({"score": epoch, "resumed": resumed})

    with pytest.raises(StoreError, match=r"did not answer for 0\.5 s \(database is locked\)\. .* resume=True"):
        search(train, trials=2, store=file)
    locks[0].close()

    study = search(train, trials=2, store=file, resume=True)
    assert complete(study) == [(number, "COMPLETE", [1, 2, 3]) for number in range(2)]
    assert [record["resumed"] for record in study.history(0)] == [0, 0, 1], "the second one was kept on disk"
