"""A running sweep is steered through its store, and has one driver."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from sqlalchemy import update

from gradfleet.errors import LeaseHeldError, LeaseLostError
from gradfleet.study.driving.budget import Budget
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import leases
from gradfleet.study.study import Study
from tests.fleet.conftest import Sweep
from tests.fleet.recipes import Steady

pytestmark = pytest.mark.ray


@dataclass
class Running:
    """A sweep that runs in a thread, and the handle that somebody else has on it."""

    thread: threading.Thread
    handle: Study
    raised: list[Exception]

    def until(self, holds: Callable[[], bool], *, seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.handle.leaderboard()
            time.sleep(0.05)

    @property
    def states(self) -> list[str]:
        return [trial.state for trial in self.handle.trials]


@pytest.fixture
def start(sweep: Sweep, file: Path, tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    """Starts a sweep of trials of about a second, two at a time, in a thread."""
    threads = []

    def begin(name: str) -> Running:
        raised: list[Exception] = []

        def run() -> None:
            try:
                sweep(Steady(tmp_path / "log", seconds=0.1), name=name, budget=Budget(trials=100), epochs=10)
            except Exception as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        threads.append(thread)
        thread.start()
        running = Running(thread, _attach(name, file), raised)
        running.until(lambda: "COMPLETE" in running.states)
        return running

    yield begin
    for thread in threads:
        thread.join(timeout=60)


def _attach(name: str, file: Path) -> Study:
    deadline = time.monotonic() + 60
    while True:
        try:
            return Study.attach(name, store=file)
        except LookupError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_pause_resume_and_stop(start: Callable[[str], Running], sweep: Sweep, tmp_path: Path) -> None:
    running = start("steered")
    with pytest.raises(LeaseHeldError, match="Study 'steered' is held by process"):
        sweep(Steady(tmp_path / "log"), name="steered")

    running.handle.request("pause")
    running.until(lambda: running.handle.state == "paused")
    running.until(lambda: "RUNNING" not in running.states)
    paused_at = len(running.states)
    time.sleep(1.5)
    assert len(running.states) == paused_at
    running.until(lambda: ray.available_resources().get("CPU") == 2)  # others may have the cluster meanwhile

    running.handle.request("resume")
    running.until(lambda: len(running.states) > paused_at)
    assert running.handle.state == "running"

    running.handle.request("stop")
    running.thread.join(timeout=30)
    assert not running.thread.is_alive()
    assert running.handle.state == "stopped"
    assert set(running.states) == {"COMPLETE"}
    assert len(running.states) < 100


def test_cancel_ends_what_runs_and_keeps_what_it_reported(start: Callable[[str], Running]) -> None:
    running = start("cancelled")
    running.until(lambda: any(trial.state == "RUNNING" and trial.epochs for trial in running.handle.trials))
    running.handle.request("cancel")
    running.thread.join(timeout=30)
    assert not running.thread.is_alive()
    assert running.handle.state == "stopped"
    cut = [trial for trial in running.handle.trials if trial.state != "COMPLETE"]
    assert cut
    assert {trial.reason for trial in cut} == {"It was cancelled."}
    assert all(trial.state == ("PRUNED" if trial.epochs else "FAIL") for trial in cut)


def test_a_driver_that_was_taken_over_ends_at_once_and_leaves_the_trials_to_the_other(
    start: Callable[[str], Running], file: Path
) -> None:
    running = start("taken")
    running.until(lambda: "RUNNING" in running.states)
    with Store.open(file) as store:  # as a driver on another host does after it has heard nothing for long enough
        store.database.write(lambda connection: connection.execute(update(leases).values(number=leases.c.number + 1)))
        running.thread.join(timeout=15)
        assert not running.thread.is_alive()
        (error,) = running.raised
        assert isinstance(error, LeaseLostError), error
        assert "was taken over by process" in str(error)
        assert "RUNNING" in running.states
        assert set(running.states) == {"COMPLETE", "RUNNING"}
