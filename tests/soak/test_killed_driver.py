"""A driver that is killed again and again: the sweep ends as if nothing had happened."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest

from gradfleet.errors import NotFoundError
from gradfleet.study.storage.rows import TrialRow
from gradfleet.study.study import Study

SCRIPT = Path(__file__).with_name("driver.py")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Driver:
    """One life of the sweep's driver.

    Attributes:
        skip: lines of the log that are older.
    """

    process: subprocess.Popen[str]
    log: Path
    skip: int

    @property
    def starts(self) -> set[float]:
        """The dropout of every network that its workers have built; it builds one itself, to look at it."""
        lines = [line.split() for line in _lines(self.log)[self.skip :]]
        return {float(dropout) for process, dropout in lines if int(process) != self.process.pid}

    def end(self) -> str:
        """Wait for it to end well; what it said."""
        _, said = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, said
        return said

    def kill(self) -> tuple[float, str]:
        """SIGKILL to the driver alone: seconds until Ray's processes of it are gone too, and what it had said."""
        assert self.process.poll() is None, f"The sweep ended before it could be killed: {self.process.communicate()}"
        # Two idle agents of Ray try for up to a minute to tell a head that is gone of it.
        children = [
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if child.name() not in ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
        ]
        os.kill(self.process.pid, signal.SIGKILL)
        _, said = self.process.communicate()
        began = time.monotonic()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == [], "Ray's processes outlive the driver"
        return time.monotonic() - began, said


@dataclass(frozen=True)
class Site:
    """Where one sweep is driven, again and again."""

    folder: Path
    trials: int

    def drive(self, *, pause: float, cluster: str) -> Driver:
        """The real thing, in a process of its own."""
        log = self.folder / "log"
        arguments = [SCRIPT, self.folder / "gradfleet.db", "sweep", self.trials, pause, cluster, log]
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Driver(process, log, skip=len(_lines(log)))

    def wait_for_a_record(self, driver: Driver, *, beyond: int) -> None:
        deadline = time.monotonic() + 120
        while self.records <= beyond:
            assert driver.process.poll() is None, driver.process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    @property
    def records(self) -> int:
        try:
            return sum(row.epochs for row in self.study.trials)
        except NotFoundError:
            return 0

    @property
    def study(self) -> Study:
        return Study.attach("sweep", store=self.folder / "gradfleet.db")

    @property
    def ended(self) -> set[float]:
        """The dropout of every trial that has its result."""
        try:
            return {_dropout(row) for row in self.study.trials if row.state != "RUNNING"}
        except NotFoundError:
            return set()

    def found(self) -> list[dict[str, Any]]:
        """Every trial with its records, without times."""
        study = self.study
        return [
            {
                "number": row.number,
                "state": row.state,
                "config": row.config,
                "value": row.value,
                "best_epoch": row.best_epoch,
                "records": [
                    (record.epoch, {name: number for name, number in record.metrics.items() if not _is_time(name)})
                    for record in study.history(row.number)
                ],
            }
            for row in study.trials
        ]


def _is_time(name: str) -> bool:
    return "seconds" in name or name == "latency_ms"


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _dropout(row: TrialRow) -> float:
    value = row.config["architecture.mlp.dropout"]
    assert isinstance(value, float)
    return value


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.row("SE5")
def test_a_sweep_whose_driver_is_killed_at_random_moments_ends_as_if_nothing_had_happened(
    tmp_path: Path,
    soak: bool,  # noqa: FBT001
) -> None:
    kills, trials, pause = (10, 20, 0.4) if soak else (1, 5, 0.25)
    moments = random.Random(os.environ.get("GRADFLEET_SOAK_SEED", "0"))
    undisturbed, site = Site(tmp_path / "undisturbed", trials), Site(tmp_path / "killed", trials)
    undisturbed.folder.mkdir()
    site.folder.mkdir()
    undisturbed.drive(pause=0.0, cluster="inline").end()

    for number in range(1, kills + 1):
        ended, records = site.ended, site.records
        driver = site.drive(pause=pause, cluster="ray")
        if number % 4 == 0:  # at any moment of its life, be it before its first trial
            time.sleep(moments.uniform(0.0, 8.0))
        else:
            site.wait_for_a_record(driver, beyond=records)
            time.sleep(moments.uniform(0.0, 1.5))
        seconds, said = driver.kill()
        logger.info(
            "kill %d: %d trials ended, %d records, Ray gone in %.1f s", number, len(site.ended), site.records, seconds
        )
        assert "was held by" not in said, "a dead driver's lease is taken over without a wait"
        assert not ended & driver.starts, "a trial that had ended was started again"

    ended = site.ended
    assert len(ended) < trials, "every kill must fall inside the sweep"
    driver = site.drive(pause=pause, cluster="ray")
    assert "was held by" not in driver.end()
    assert not ended & driver.starts

    assert site.found() == undisturbed.found()
    assert [(trial["state"], len(trial["records"])) for trial in site.found()] == [("COMPLETE", 4)] * trials
    theirs = optuna.load_study(study_name="sweep-generation-0", storage=f"sqlite:///{site.folder}/gradfleet.db").trials
    ours = {row.optuna_number: row for row in site.study.trials}
    assert [(trial.state.name, trial.value) for trial in theirs] == [
        (ours[number].state, ours[number].value) for number in range(trials)
    ]
