"""Sweeps that are asked for: once, by one process at a time, and again when that has died."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from gradfleet.errors import ConflictError, LeaseHeldError
from gradfleet.service import steering, submissions, views
from gradfleet.service.service import Service
from gradfleet.service.supervisor import Supervisor
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import submissions as table
from tests.service.conftest import write_study
from tests.study.conftest import artifacts as artifacts
from tests.study.conftest import pytest_generate_tests as pytest_generate_tests
from tests.study.conftest import url as url

SPEC = {"version": 1, "task": "image-classification", "data": "flowers"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gradfleet.db"


def hold_by_a_dead_process(store: Store, name: str) -> None:
    """As a process leaves it that was killed."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    changed = update(table).where(table.c.name == name).values(pid=process.pid, process_started=1.0)
    store.database.write(lambda connection: connection.execute(changed))


@pytest.mark.stores
def test_one_name_is_one_sweep(url: str) -> None:
    with Store.open(url) as store:
        assert submissions.add(store, "flowers", SPEC, by="alice")
        assert not submissions.add(store, "flowers", SPEC, by="bob")
        with pytest.raises(ConflictError, match="'flowers' was asked for with another spec"):
            submissions.add(store, "flowers", {**SPEC, "data": "other"}, by="bob")
        (found,) = submissions.listed(store)
        assert (found.created_by, found.state, found.is_due) == ("alice", "queued", True)


def test_a_study_that_came_otherwise_keeps_its_name(store: Store) -> None:
    write_study(store, "flowers")
    with pytest.raises(ConflictError, match="'flowers' is in the store already"):
        submissions.add(store, "flowers", SPEC, by="alice")


@pytest.mark.stores
def test_of_many_at_once_one_makes_it_and_one_claims_it(url: str) -> None:
    made, claimed = at_once(url, lambda store: submissions.add(store, "flowers", SPEC, by="x")), []
    assert sorted(map(bool, made)) == [False] * 3 + [True]
    with Store.open(url) as store:
        (waiting,) = submissions.unsettled(store)
    claimed = at_once(url, lambda store: submissions.claim(store, waiting))
    assert sorted(number or 0 for number in claimed) == [0, 0, 0, 1]


def at_once(url: str, work: Callable[[Store], object]) -> list[object]:
    """What four stores, as in four services, say when they are asked at the same moment."""
    found: list[object] = []
    ready = threading.Barrier(4, timeout=60)

    def run() -> None:
        with Store.open(url) as store:
            ready.wait()
            found.append(work(store))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_what_a_living_process_holds_is_not_due(store: Store) -> None:
    submissions.add(store, "flowers", SPEC, by="alice")
    (waiting,) = submissions.unsettled(store)
    assert submissions.claim(store, waiting) == 1
    assert submissions.claim(store, waiting) is None
    (held,) = submissions.unsettled(store)
    assert (held.is_held, held.is_due, held.attempts) == (True, False, 1)
    assert not submissions.again(store, "flowers", retry_failed=False)


def test_what_a_dead_process_held_is_claimed_anew_and_its_late_words_count_for_nothing(store: Store) -> None:
    submissions.add(store, "flowers", SPEC, by="alice")
    (waiting,) = submissions.unsettled(store)
    assert submissions.claim(store, waiting) == 1
    hold_by_a_dead_process(store, "flowers")
    (dead,) = submissions.unsettled(store)
    assert (dead.is_held, dead.is_due) == (False, True)
    assert submissions.claim(store, dead) == 2
    assert not submissions.take_over(store, "flowers", 1)
    assert not submissions.settle(store, "flowers", 1, "done")
    assert submissions.take_over(store, "flowers", 2)
    assert submissions.settle(store, "flowers", 2, "done")
    assert submissions.unsettled(store) == []


def test_what_waits_for_a_cluster_has_no_attempt_counted(store: Store) -> None:
    submissions.add(store, "flowers", SPEC, by="alice")
    (waiting,) = submissions.unsettled(store)
    submissions.claim(store, waiting)
    submissions.settle(store, "flowers", 1, "queued", problem="No Ray cluster answers.", pause=60)
    (again,) = submissions.unsettled(store)
    assert (again.attempts, again.is_due, again.problem) == (0, False, "No Ray cluster answers.")


def test_one_that_waits_can_be_taken_out_and_begun_again(store: Store) -> None:
    submissions.add(store, "flowers", SPEC, by="alice")
    assert submissions.take_out(store, "flowers")
    assert not submissions.take_out(store, "flowers")
    assert submissions.again(store, "flowers", retry_failed=True)
    (waiting,) = submissions.unsettled(store)
    assert (waiting.retry_failed, waiting.attempts) == (True, 0)


def test_a_sweep_over_which_five_processes_have_died_has_failed_and_so_has_its_study(
    service: Service, store: Store
) -> None:
    submissions.add(store, "flowers", SPEC, by="alice")
    spec = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": []}
    with Lease.acquire(store, store.create_study("flowers", spec, artifacts="here")) as lease:
        store.set_state(lease, "running")
    for _ in range(submissions.MOST_ATTEMPTS):
        (due,) = submissions.unsettled(store)
        submissions.claim(store, due)
        hold_by_a_dead_process(store, "flowers")
    Supervisor(service).look()
    problem = "5 processes have died over it; `retry` tries again."
    assert submissions.unsettled(store) == []
    assert (store.study("flowers").state, store.study("flowers").problem) == ("failed", problem)
    assert (views.summary(service, "flowers").state, views.summary(service, "flowers").problem) == ("failed", problem)


def test_what_is_deleted_is_begun_by_nobody_meanwhile_and_stays_where_that_fails(
    service: Service, store: Store
) -> None:
    submissions.add(store, "flowers", SPEC, by="alice")
    seen = submissions.get(store, "flowers")
    assert seen is not None
    submissions.claim(store, seen)
    with pytest.raises(ConflictError, match="flowers is being begun"), steering._held(service, seen):
        pass
    submissions.settle(store, "flowers", 1, "done")
    spec = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": []}
    with Lease.acquire(store, store.create_study("flowers", spec, artifacts="here")), pytest.raises(LeaseHeldError):
        steering.delete(service, "flowers")
    kept = submissions.get(store, "flowers")
    assert kept is not None
    assert kept.state == "done"
    steering.delete(service, "flowers")
    assert submissions.get(store, "flowers") is None
