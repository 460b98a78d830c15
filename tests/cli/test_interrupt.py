"""Ctrl-C during a fit: the first ends the search with its trials, the second ends it now; both keep the best."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradfleet.errors import NotFoundError
from gradfleet.study.study import Study
from tests.cli.conftest import Begin, Run

pytestmark = pytest.mark.slow

FIT = ("fit", "image-classification", "images", "--name", "tiny")
QUICK_TRIALS = ("--trials", 500, "--epochs", 2, "--scheduler", "none")
ENDLESS_TRIALS = ("--trials", 500, "--epochs", 100_000, "--scheduler", "none")


@pytest.mark.parametrize("cluster", [("--cluster", "inline"), pytest.param((), marks=pytest.mark.ray)])
def test_one_ctrl_c_ends_with_130_and_a_usable_best_model(
    begin: Begin, run: Run, images: Path, here: Path, cluster: tuple[str, ...]
) -> None:
    process = begin(*FIT, *QUICK_TRIALS, *cluster, "--json", cwd=here)
    _wait_until(lambda: any(trial.state == "COMPLETE" for trial in _trials(here)), process)
    _ctrl_c(process)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Interrupted: no new trials" in stderr
    assert json.loads(stdout)["state"] == "stopped"
    assert {trial.state for trial in _trials(here)} == {"COMPLETE"}
    again = json.loads(run("evaluate", "tiny", "--store", here / "gradfleet.db", "--json").stdout)
    assert again["metrics"]["accuracy"] == json.loads(stdout)["best"]["value"]


@pytest.mark.parametrize("cluster", [("--cluster", "inline"), pytest.param((), marks=pytest.mark.ray)])
def test_a_second_ctrl_c_stops_the_running_trials_and_keeps_what_they_reported(
    begin: Begin, run: Run, images: Path, here: Path, cluster: tuple[str, ...]
) -> None:
    process = begin(*FIT, *ENDLESS_TRIALS, *cluster, "--json", cwd=here)
    _wait_until(lambda: any(trial.checkpoint for trial in _trials(here)), process)
    said = _collect(process.stderr)
    _ctrl_c(process)
    _wait_until(lambda: "Press Ctrl-C again to stop now." in "".join(said), process)
    _ctrl_c(process)
    stopped = time.monotonic()
    process.wait(timeout=60)
    assert process.returncode == 130, said
    assert time.monotonic() - stopped < 15
    assert process.stdout is not None
    best, tried = json.loads(process.stdout.read())["best"], {trial.number: trial for trial in _trials(here)}
    assert {trial.state for trial in tried.values()} <= {"PRUNED", "FAIL"}
    assert tried[best["trial"]].checkpoint is not None
    assert best["value"] == max(trial.value for trial in tried.values() if trial.state == "PRUNED")
    assert run("evaluate", "tiny", "--store", here / "gradfleet.db").exit_code == 0


def _ctrl_c(process: subprocess.Popen[str]) -> None:
    """As a terminal does: to the whole process group."""
    os.killpg(process.pid, signal.SIGINT)


def _collect(stream: object) -> list[str]:
    """The lines of `stream`, as they come."""
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(stream), daemon=True).start()  # type: ignore[call-overload]
    return lines


def _trials(folder: Path) -> list[object]:
    try:
        return Study.attach("tiny", store=folder / "gradfleet.db").trials
    except NotFoundError:
        return []


def _wait_until(holds: Callable[[], bool], process: subprocess.Popen[str], *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
