"""Which sweeps share a cluster, and in what parts."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from gradfleet.errors import StoreError
from gradfleet.fleet import sent_driver, sharing
from gradfleet.fleet.jobs import Job
from gradfleet.fleet.sharing import Part, Sharing, part_of
from gradfleet.study.places import forget_job
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store

HERE, THERE = "http://head:8265", "http://other:8265"
SPEC = {"objective": {"metric": "score", "mode": "max"}, "space": []}


@pytest.mark.parametrize("workers", range(12))
@pytest.mark.parametrize("sweeps", range(1, 5))
def test_all_parts_together_are_the_cluster_or_it_is_used_in_turns(workers: int, sweeps: int) -> None:
    parts = [Part(place, sweeps).of(workers) for place in range(sweeps)]
    assert sum(parts) == (0 if workers < sweeps else workers)
    assert max(parts) - min(parts) <= 1


def test_sweeps_share_the_cluster_that_they_were_sent_to_while_they_are_driven(tmp_path: Path) -> None:
    with Store.open(tmp_path / "gradfleet.db") as store, ExitStack() as running:

        def send(name: str, cluster: str) -> Lease:
            study = store.create_study(name, SPEC)
            sent_driver.keep(study, Job(cluster, f"gradfleet-{name}-0"))
            lease = running.enter_context(Lease.acquire(store, study))
            store.set_state(lease, "running")
            return lease

        first, _ = send("first", HERE), send("elsewhere", THERE)
        assert part_of(store, "first") == Part()
        second, third = send("second", HERE), send("third", HERE)
        assert [part_of(store, name) for name in ("first", "second", "third")] == [Part(n, 3) for n in range(3)]
        store.set_state(second, "paused")
        assert part_of(store, "third") == Part(1, 2)
        third.release()
        assert part_of(store, "first") == Part()
        store.set_state(second, "running")
        assert part_of(store, "first") == Part(0, 2)
        forget_job(first.study.artifacts, "first")
        assert part_of(store, "first") == Part(), "one that is driven from here has a Ray of its own"


def test_a_look_that_takes_long_or_fails_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, slow = [Part(1, 2), StoreError("It is away."), Part(0, 3)], threading.Event()

    def look(store: Store, name: str) -> Part:
        slow.wait(timeout=60)
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def until(part: Part, *, left: int) -> None:
        deadline = time.monotonic() + 60
        while shared.part() != part or len(answers) > left:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    monkeypatch.setattr(sharing, "part_of", look)
    monkeypatch.setattr(sharing, "_LOOK_EVERY", 0.5)
    with Store.open(tmp_path / "gradfleet.db") as store:
        shared = Sharing(store, "sweep")
        assert [shared.part() for _ in range(3)] == [Part()] * 3
        slow.set()
        until(Part(1, 2), left=2)
        until(Part(1, 2), left=1)
        until(Part(0, 3), left=0)
