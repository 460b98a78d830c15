"""Which sweeps share a cluster."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from gradfleet.fleet import sent_driver
from gradfleet.fleet.jobs import Job
from gradfleet.fleet.sharing import Sharing
from gradfleet.study.places import forget_job
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store

HERE, THERE = "http://head:8265", "http://other:8265"
SPEC = {"objective": {"metric": "score", "mode": "max"}, "space": []}


def test_sweeps_share_the_cluster_that_they_were_sent_to_while_they_are_driven(tmp_path: Path) -> None:
    with Store.open(tmp_path / "gradfleet.db") as store, ExitStack() as running:

        def send(name: str, cluster: str) -> Lease:
            study = store.create_study(name, SPEC)
            sent_driver.keep(study, Job(cluster, f"gradfleet-{name}-0"))
            lease = running.enter_context(Lease.acquire(store, study))
            store.set_state(lease, "running")
            return lease

        first, _ = send("first", HERE), send("elsewhere", THERE)
        sharing = Sharing(store, "first")
        assert sharing.sweeps() == 1
        second, third = send("second", HERE), send("third", HERE)
        assert (sharing.sweeps(), Sharing(store, "third").sweeps()) == (3, 3)
        store.set_state(second, "paused")
        assert sharing.sweeps() == 2
        third.release()
        assert sharing.sweeps() == 1
        store.set_state(second, "running")
        assert sharing.sweeps() == 2
        forget_job(first.study.artifacts, "first")
        assert sharing.sweeps() == 1, "one that is driven from here has a Ray of its own"
