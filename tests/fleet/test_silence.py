"""A sweep that nobody seems to drive: it is waited for as long as its cluster says that it goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradfleet.cli import sweep as sweep_verbs
from gradfleet.errors import DriverFailedError, ExecutionError
from gradfleet.fleet import sent_driver
from gradfleet.fleet.jobs import Job
from gradfleet.fleet.stored_sweeps import StoredSweeps
from gradfleet.study import steered
from gradfleet.study.places import forget_job
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.fleet.jobs_api import JobsApi, answering

JOB = "gradfleet-asleep-0"
SPEC = {"objective": {"metric": "score", "mode": "max"}, "space": {"dimensions": []}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes are half a second."""
    monkeypatch.setattr(steered, "_DRIVER_STARTS_WITHIN", 0.5)
    monkeypatch.setattr(steered, "_ASK_AFTER", 0.05)
    monkeypatch.setattr(steered, "_ASK_EVERY", 0.05)
    monkeypatch.setattr(steered, "_LOOK_EVERY", 0.02)
    monkeypatch.setattr(sweep_verbs, "_LOOK_EVERY", 0.1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gradfleet.db"


@pytest.fixture
def study(file: Path, tmp_path: Path) -> Iterator[StudyRow]:
    """One that waits for its driver."""
    with Store.open(file) as store:
        yield store.create_study("asleep", SPEC, artifacts=str(tmp_path / "artifacts"))


@pytest.fixture
def jobs() -> Iterator[JobsApi]:
    with answering() as found:
        yield found


@pytest.fixture
def sent(study: StudyRow, jobs: JobsApi) -> StudyRow:
    """The same, driven by a job."""
    sent_driver.keep(study, Job(jobs.address, JOB))
    return study


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("verb", ["wait", "watch"])
def test_a_sweep_without_a_driver_is_given_up_however_it_is_waited_for(run: Run, file: Path, verb: str) -> None:
    ended = run("sweep", verb, "asleep", "--store", file)
    assert ended.exit_code == 2
    assert "Study 'asleep' is queued, but no driver works on it: it has died, or never began." in ended.stderr


@pytest.mark.usefixtures("study")
def test_whoever_waits_once_more_waits_as_long(file: Path) -> None:
    sweep = StoredSweeps(file).sweep("asleep")
    with pytest.raises(ExecutionError, match="no driver works on it"):
        sweep.wait()
    with pytest.raises(TimeoutError, match="is still queued"):
        sweep.wait(timeout=0.1)


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_a_job_that_waits_for_its_cluster_is_waited_for(file: Path, jobs: JobsApi, status: str) -> None:
    jobs.statuses[JOB] = status
    with pytest.raises(TimeoutError, match="Study 'asleep' is still queued after 1.5 s"):
        StoredSweeps(file).sweep("asleep").wait(timeout=1.5)


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("verb", ["wait", "watch"])
def test_a_job_that_has_failed_is_told_with_its_last_words(run: Run, file: Path, jobs: JobsApi, verb: str) -> None:
    jobs.statuses[JOB], jobs.logs = "FAILED", "begun\nError: The store is out of reach from here.\n"
    ended = run("sweep", verb, "asleep", "--store", file)
    assert ended.exit_code == 1
    assert "its job has ended: The store is out of reach from here. Go on with" in ended.stderr


@pytest.mark.usefixtures("sent")
def test_a_cluster_out_of_reach_says_nothing(file: Path, jobs: JobsApi) -> None:
    jobs.statuses[JOB] = "RUNNING"
    jobs.get = lambda path: (503, "busy")  # type: ignore[method-assign]
    with pytest.raises(ExecutionError, match="no driver works on it") as caught:
        StoredSweeps(file).sweep("asleep").wait()
    assert not isinstance(caught.value, DriverFailedError)


def test_a_study_that_a_host_drives_now_is_that_of_no_job(sent: StudyRow, file: Path, jobs: JobsApi) -> None:
    jobs.statuses[JOB] = "FAILED"
    with pytest.raises(DriverFailedError, match="its job has ended: It was killed."):
        StoredSweeps(file).sweep("asleep").wait()
    forget_job(sent.artifacts, sent.name)
    forget_job(sent.artifacts, sent.name)
    with pytest.raises(ExecutionError, match="no driver works on it"):
        StoredSweeps(file).sweep("asleep").wait()
    with Store.open(file) as store:
        mark(store, sent.name, "completed")
    assert StoredSweeps(file).sweep("asleep").wait().state == "completed"


def test_a_sweep_whose_driver_has_died_says_so_when_it_is_shown(study: StudyRow, file: Path, run: Run) -> None:
    with Store.open(file) as store:
        with Lease.acquire(store, study) as lease:
            store.set_state(lease, "running")
            assert "problem" not in run("sweep", "show", "asleep", "--store", file).stdout
        shown = run("sweep", "show", "asleep", "--store", file).stdout
    assert re.search(r"^problem +Its driver has died, or does not reach the store; run it again with", shown, re.M)
