"""A remote sweep that is followed to its end, whatever that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from gradfleet.cli.outcome import end
from gradfleet.fleet import sent_driver
from gradfleet.fleet.jobs import Job
from gradfleet.fleet.remote import follow
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.training.history import EpochRecord
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.fleet.jobs_api import answering
from tests.study import written

PROBLEM = "The disk of the artifacts is full."


@pytest.fixture
def failed(tmp_path: Path) -> Iterator[Study]:
    """A sweep of a cluster that failed after a trial had a result."""
    spec = {"objective": {"metric": "score", "mode": "max"}, "space": {"dimensions": []}}
    with answering() as jobs, Store.open(tmp_path / "gradfleet.db") as store:
        study = store.create_study("cut", spec, artifacts=str(tmp_path / "artifacts"))
        with Lease.acquire(store, study) as lease:
            written.add_trial(store, lease, 0, {}, seed=0, optuna_number=0)
            store.add_record(lease, 0, EpochRecord(1, {"score": 0.5}))
            written.end_trial(store, lease, 0, "COMPLETE")
        mark(store, "cut", "failed", problem=PROBLEM)
        sent_driver.keep(study, Job(jobs.address, "gradfleet-cut-0"))
        jobs.statuses["gradfleet-cut-0"], jobs.logs = "FAILED", "until 8 trials\n"
        yield Study(store, study)


def test_a_sweep_that_failed_after_results_says_why_and_ends_with_1(
    failed: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    followed = follow(failed, say=said.append)
    assert said == ["until 8 trials", f"cut is failed ({PROBLEM}). Best: trial 0 with 0.5000."]
    with pytest.raises(typer.Exit) as ended:
        end(followed, target=0.4, store=None, json=False)
    assert ended.value.exit_code == 1
    shown = capsys.readouterr()
    assert "best trial  0, score 0.5000" in shown.out
    assert shown.err == f"cut has failed: {PROBLEM}\n"


def test_a_cluster_that_is_out_of_reach_does_not_end_the_following(failed: Study) -> None:
    """Whether the sweep has ended is told by the store."""
    sent_driver.keep(failed.row, Job("http://127.0.0.1:9", "gradfleet-cut-0"))
    said: list[str] = []
    assert follow(failed, say=said.append).state == "failed"
    assert said == [f"cut is failed ({PROBLEM}). Best: trial 0 with 0.5000."]


def test_ctrl_c_leaves_the_sweep_and_says_how_to_come_back_from_anywhere(failed: Study, tmp_path: Path) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(failed, say=say)
    place = f"sqlite:///{tmp_path}/gradfleet.db"
    assert said[1:] == [
        f"The sweep goes on. Come back with Study.attach('cut', store='{place}'), or `gradfleet sweep wait cut --store "
        f"{place}`."
    ]


@pytest.mark.usefixtures("failed")
def test_waiting_for_it_says_why_too(run: Run, tmp_path: Path) -> None:
    ended = run("sweep", "wait", "cut", "--store", tmp_path / "gradfleet.db")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (1, "cut is failed.\n", f"cut has failed: {PROBLEM}\n")
