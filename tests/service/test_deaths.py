"""A sweep that has failed on a cluster says why, also where its job could not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gradfleet.errors import ClusterError
from gradfleet.fleet import sent_driver
from gradfleet.fleet.heads import Head
from gradfleet.fleet.jobs import Job
from gradfleet.service import sent as sent_sweeps
from gradfleet.service import submissions
from gradfleet.service.deaths import DeathWatch
from gradfleet.service.service import Service
from gradfleet.service.supervisor import Supervisor
from gradfleet.study.storage.holder import Holder
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from tests.fleet.jobs_api import JobsApi, answering
from tests.service.conftest import SPACE, logged_in

JOB = "gradfleet-asked-0"


@pytest.fixture
def jobs() -> Iterator[JobsApi]:
    with answering() as api:
        yield api


@pytest.fixture
def remote(service: Service, jobs: JobsApi) -> Service:
    """One that sends its sweeps to the cluster of `jobs`."""
    return replace(service, settings=replace(service.settings, cluster=jobs.address))


@pytest.fixture
def sent(store: Store, jobs: JobsApi, tmp_path: Path) -> StudyRow:
    """A sweep that was asked for and sent to the cluster, where its job has not begun."""
    submissions.add(store, "asked", {"version": 1, "name": "asked"}, by="alice")
    (waiting,) = submissions.unsettled(store)
    number = submissions.claim(store, waiting)
    assert number is not None
    values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}
    study = store.create_study("asked", values, artifacts=str(tmp_path / "artifacts"))
    sent_driver.keep(study, Job(jobs.address, JOB))
    submissions.settle(store, "asked", number, "done")
    return study


def told(reader: TestClient) -> tuple[str, str | None]:
    """State and problem, which are the same in the list."""
    found = reader.get("/v1/sweeps/asked").json()
    (listed,) = reader.get("/v1/sweeps").json()["items"]
    assert (listed["state"], listed["problem"]) == (found["state"], found["problem"])
    return found["state"], found["problem"]


@pytest.mark.usefixtures("sent")
def test_what_the_driver_has_written_of_its_failure_is_told(service: Service, reader: TestClient) -> None:
    assert told(reader) == ("queued", None)
    mark(service.store, "asked", "failed", problem="The recipe does not import on the cluster (head).")
    assert told(reader) == ("failed", "The recipe does not import on the cluster (head).")
    assert "does not import on the cluster (head)" in logged_in_page(service, reader)
    assert submissions.again(service.store, "asked", retry_failed=False)
    assert told(reader) == ("queued", None)


def test_a_failure_is_told_once_it_is_the_end(service: Service, reader: TestClient, sent: StudyRow) -> None:
    mark(service.store, "asked", "failed", problem="The cluster does not take the sweep.")
    assert told(reader)[0] == "failed"
    assert submissions.again(service.store, "asked", retry_failed=False)
    (waiting,) = submissions.unsettled(service.store)
    number = submissions.claim(service.store, waiting)
    assert number is not None
    assert told(reader)[0] == "queued", "another process sees to it"
    submissions.settle(service.store, "asked", number, "done")
    assert told(reader)[0] == "failed"


def logged_in_page(service: Service, reader: TestClient) -> str:
    app = reader.app
    return logged_in(app, "read").get("/ui/sweeps/asked").text  # type: ignore[arg-type]


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    ("message", "logs", "why"),
    [
        ("runtime_env setup failed: no space", "", "runtime_env setup failed: no space"),
        ("exit code 1", "Study 'asked'\nError: This is Python 3.8.\nTake 3.11.\n", "This is Python 3.8.\nTake 3.11."),
    ],
)
def test_a_job_that_ended_before_it_could_say_so_fails_its_sweep_with_its_last_words(
    remote: Service, reader: TestClient, jobs: JobsApi, message: str, logs: str, why: str
) -> None:
    jobs.statuses[JOB], jobs.message, jobs.logs = "FAILED", message, logs
    DeathWatch(remote).look()
    assert told(reader) == ("failed", f"Its job on the cluster has ended: {why}")


@pytest.mark.usefixtures("sent")
def test_a_job_that_nobody_knows_any_more_fails_its_sweep(remote: Service, reader: TestClient, jobs: JobsApi) -> None:
    DeathWatch(remote).look()
    state, problem = told(reader)
    assert (state, "does not know job gradfleet-asked-0 any more" in str(problem)) == ("failed", True)


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "SUCCEEDED"])
def test_a_sweep_whose_job_lives_is_left_alone(
    remote: Service, reader: TestClient, jobs: JobsApi, sent: StudyRow, status: str
) -> None:
    jobs.statuses[JOB], jobs.message = status, "all is well"
    DeathWatch(remote).look()
    assert told(reader) == ("queued", None)


def test_a_sweep_that_is_driven_or_has_ended_is_not_asked_for(remote: Service, jobs: JobsApi, sent: StudyRow) -> None:
    with Lease.acquire(remote.store, sent):
        DeathWatch(remote).look()
    mark(remote.store, "asked", "stopped")
    DeathWatch(remote).look()
    assert jobs.asked == []


def test_a_cluster_that_is_away_fails_nothing(
    remote: Service, reader: TestClient, jobs: JobsApi, sent: StudyRow
) -> None:
    jobs.statuses[JOB] = "RUNNING"
    DeathWatch(remote).look()
    jobs.server.shutdown()
    jobs.server.server_close()
    with pytest.raises(ClusterError, match="does not say how job gradfleet-asked-0 is"):
        DeathWatch(remote).look()
    assert told(reader) == ("queued", None)


HeadAt = Callable[..., None]


@pytest.fixture
def own(service: Service) -> Service:
    """One whose sweeps run on the store's own cluster, one at a time."""
    return replace(service, settings=replace(service.settings, sweeps=1))


@pytest.fixture
def head_at(own: Service, jobs: JobsApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeadAt:
    """Writes down a head of the store's own cluster, at the address of `jobs`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def write(*, lives: bool) -> None:
        assert own.own_cluster is not None
        own.own_cluster.folder.mkdir(parents=True)
        holder = Holder.current() if lives else replace(Holder.current(), process_started=1.0)
        head = Head(holder=holder, mark="none", token="secret", scratch="nowhere", address=jobs.address)
        head.write(own.own_cluster.folder)

    return write


def waiting(store: Store) -> list[tuple[str, int]]:
    """State and attempts of what is not settled."""
    return [(one.state, one.attempts) for one in submissions.unsettled(store)]


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("lives", [False, True])
def test_a_sweep_whose_own_cluster_has_died_is_sent_again_whatever_has_its_address(
    own: Service, reader: TestClient, head_at: HeadAt, *, lives: bool
) -> None:
    head_at(lives=lives)
    DeathWatch(own).look()
    assert (waiting(own.store), told(reader)) == ([("queued", 1)], ("queued", None))
    assert own.asked.is_set()


def test_a_sweep_of_the_own_cluster_takes_room_until_it_ends(
    own: Service, reader: TestClient, jobs: JobsApi, head_at: HeadAt, sent: StudyRow
) -> None:
    assert sent_sweeps.on_own_cluster(own) == 0
    head_at(lives=True)
    jobs.statuses[JOB] = "RUNNING"
    DeathWatch(own).look()
    assert (waiting(own.store), sent_sweeps.on_own_cluster(own)) == ([], 1)
    submissions.add(own.store, "next", {"version": 1, "name": "next"}, by="alice")
    Supervisor(own).look()
    assert waiting(own.store) == [("queued", 0)]
    submissions.remove(own.store, "next")
    with Lease.acquire(own.store, sent) as lease:
        own.store.set_state(lease, "paused")
        assert sent_sweeps.on_own_cluster(own) == 0, "others may have its room"
        own.store.set_state(lease, "queued")
    jobs.statuses[JOB] = "FAILED"
    watch = DeathWatch(own)
    watch.look()
    assert told(reader)[0] == "queued", "a cluster of which a part has died says so for a moment, and has ended then"
    watch.look()
    assert told(reader) == ("failed", "Its job on the cluster has ended: It was killed.")
    assert sent_sweeps.on_own_cluster(own) == 0


def test_a_sweep_of_a_host_that_is_gone_is_sent_again_here(own: Service, jobs: JobsApi, sent: StudyRow) -> None:
    with Lease.acquire(own.store, sent):
        pass
    DeathWatch(own).look()
    assert waiting(own.store) == [("queued", 1)]
