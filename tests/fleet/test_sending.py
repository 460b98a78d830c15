"""A sweep that is sent to a cluster: what is in the store and what is kept, whether the cluster takes it or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from gradfleet import AutoModel, Float, Objective
from gradfleet.errors import ClusterError, ConflictError, NotFoundError, SettingError
from gradfleet.fleet import package
from gradfleet.fleet.jobs import RemoteCluster
from gradfleet.fleet.remote import send_again
from gradfleet.fleet.sent_driver import job_of
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from tests.fleet.jobs_api import JobsApi, answering

Report = Callable[[dict[str, float]], None]
Sending = Callable[..., Study]


def train(config: dict[str, Any], report: Report) -> None:
    report({"score": config["x"]})


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[JobsApi]:
    monkeypatch.setattr(RemoteCluster, "check", lambda self: None)
    with answering() as found:
        yield found


@pytest.fixture
def submit(jobs: JobsApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sending:
    """Sends the sweep `sent` to the cluster, with so many trials."""
    monkeypatch.chdir(tmp_path)

    def send(*, trials: int = 3, resume: bool = False) -> Study:
        model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
        places = {"store": tmp_path / "gradfleet.db", "cluster": jobs.address, "wait": False, "progress": False}
        return model.fit(trials=trials, name="sent", resume=resume, **places)

    return send


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "gradfleet.db") as opened:
        yield opened


def kept(study: StudyRow) -> Path:
    """Where what was sent lies."""
    (found,) = Path(study.artifacts, study.name).glob("sent-*")
    assert json.loads(found.with_name("sent.json").read_text())["folder"] == found.name
    return found


def test_a_new_study_that_is_not_taken_has_failed(submit: Sending, jobs: JobsApi, store: Store) -> None:
    jobs.refuses = "no room"
    with pytest.raises(ClusterError, match="does not take the sweep"):
        submit()
    study = store.study("sent")
    assert study.state == "failed"
    assert "does not take the sweep" in str(study.problem)


def test_one_that_was_there_is_as_it_was(submit: Sending, jobs: JobsApi, store: Store) -> None:
    study = submit()
    mark(store, "sent", "completed")
    jobs.statuses = dict.fromkeys(jobs.statuses, "SUCCEEDED")
    before = kept(study.row)
    jobs.refuses = "no room"
    with pytest.raises(ClusterError, match="does not take the sweep"):
        submit(trials=5, resume=True)
    assert store.study("sent").state == "completed"
    mark(store, "sent", "failed", problem="It was killed.")
    with pytest.raises(ClusterError, match="does not take the sweep"):
        send_again(store, store.study("sent"))
    assert (store.study("sent").state, store.study("sent").problem) == ("failed", "It was killed.")
    assert kept(study.row) == before


def test_what_is_too_large_to_travel_leaves_no_study(
    submit: Sending, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "LARGEST", 1)
    with pytest.raises(SettingError, match="The code that has to travel to the cluster"):
        submit()
    assert store.studies() == []


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_other_settings_for_a_job_that_goes_on_are_refused_and_the_same_are_taken(
    submit: Sending, jobs: JobsApi, status: str
) -> None:
    study = submit()
    jobs.statuses = dict.fromkeys(jobs.statuses, status)
    before = kept(study.row)
    with pytest.raises(ConflictError, match=r"which was sent with another budget, and takes no new settings\. Leave"):
        submit(trials=5, resume=True)
    submit(resume=True)
    assert kept(study.row) == before
    assert len(jobs.statuses) == 1


def test_a_new_job_takes_other_settings_and_they_are_what_is_kept(submit: Sending, jobs: JobsApi) -> None:
    study = submit()
    before = kept(study.row)
    jobs.statuses = dict.fromkeys(jobs.statuses, "FAILED")
    submit(trials=5, resume=True)
    assert (len(jobs.statuses), kept(study.row) != before) == (2, True)
    assert not (kept(study.row) / package.CALL).exists(), "the store's password lies nowhere"


@pytest.mark.parametrize("name", [package.MANIFEST, package.ORDER])
def test_a_package_that_was_kept_in_part_is_not_sent_again(
    submit: Sending, jobs: JobsApi, store: Store, name: str
) -> None:
    study = submit().row
    jobs.statuses = dict.fromkeys(jobs.statuses, "FAILED")
    assert send_again(store, study) == job_of(study)
    (kept(study) / name).unlink()
    jobs.statuses = dict.fromkeys(jobs.statuses, "FAILED")
    with pytest.raises(NotFoundError, match=f"Of what was sent for study 'sent' {name} is missing"):
        send_again(store, study)
    assert len(jobs.statuses) == 2


def test_a_copy_that_is_cut_short_leaves_what_was_kept_before(
    submit: Sending, jobs: JobsApi, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = submit().row
    jobs.statuses = dict.fromkeys(jobs.statuses, "FAILED")
    with monkeypatch.context() as broken:
        broken.setattr(LocalFileSystem, "pipe_file", lambda self, path, value: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            submit(trials=5, resume=True)
    assert package.missing(kept(study)) == []
    assert send_again(store, study) == job_of(study)
