"""A sweep with a driver of its own goes on without whoever began it, and is steered through the store."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradfleet import AutoModel, Float, Objective, Resources, Study
from gradfleet.errors import ExecutionError, LeaseHeldError

SCRIPT = """\
import time
from gradfleet import AutoModel, Float, Objective

def train(config, report):
    for _ in range(2):
        time.sleep(0.05)
        report({"score": -abs(config["x"] - 0.3)})

model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
study = model.fit(trials=6, cluster="inline", name="left-alone", wait=False)
assert study.state == "queued", study.state
"""


def slow(config: dict[str, object], report: Callable[[dict[str, float]], None]) -> None:
    time.sleep(0.1)
    report({"score": float(config["x"])})  # type: ignore[arg-type]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AutoModel:
    monkeypatch.chdir(tmp_path)
    return AutoModel.from_function(slow, {"x": Float(0.0, 1.0)}, Objective("score", "max"))


@pytest.mark.row_part("TP4")
@pytest.mark.slow
def test_a_sweep_goes_on_when_the_script_that_began_it_has_ended(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, check=True, timeout=120)
    study = Study.attach("left-alone", store=tmp_path / "gradfleet.db").wait(timeout=120)
    assert (study.state, len(study.trials)) == ("completed", 6)
    assert {trial.state for trial in study.trials} <= {"COMPLETE", "PRUNED"}
    assert "until 6 trials" in study.log.read_text()


@pytest.mark.row("TP4")
@pytest.mark.slow
def test_a_handle_polls_pauses_resumes_and_stops(model: AutoModel) -> None:
    study = model.fit(trials=10_000, cluster="inline", name="steered", wait=False, progress=False)
    _wait_until(lambda: any(trial.state == "COMPLETE" for trial in study.trials))
    with pytest.raises(TimeoutError, match="'steered' is still running after 0.1 s"):
        study.wait(timeout=0.1)
    with pytest.raises(LeaseHeldError, match="is held by process"):
        model.fit(trials=10_000, cluster="inline", name="steered", resume=True, wait=False, progress=False)
    study.pause()
    _wait_until(lambda: study.state == "paused" and all(trial.state != "RUNNING" for trial in study.trials))
    paused = len(study.trials)
    time.sleep(1.0)
    assert len(study.trials) == paused
    study.resume()
    _wait_until(lambda: len(study.trials) > paused)
    study.stop()
    assert study.wait(timeout=60).state == "stopped"
    assert study.best.value == max(trial.value for trial in study.trials if trial.value is not None)
    again = model.fit(trials=len(study.trials) + 2, cluster="inline", name="steered", resume=True, wait=False)
    assert again.wait(timeout=120).state == "completed"
    assert len(again.trials) == len(study.trials)


@pytest.mark.ray
@pytest.mark.slow
def test_a_driver_that_cannot_begin_fails_the_study_and_says_why(model: AutoModel) -> None:
    study = model.fit(trials=1, resources=Resources(cpu=4096), name="too-large", wait=False, progress=False)
    assert study.wait(timeout=180).state == "failed"
    assert "Error: A trial asks for 4096 cpu" in study.log.read_text()
    assert str(study.facts()["problem"]).startswith("A trial asks for 4096 cpu")


def test_what_cannot_leave_the_process_is_refused_before_the_study_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lock = threading.Lock()

    def train(config: dict[str, object], report: Callable[[dict[str, float]], None]) -> None:
        with lock:
            report({"score": 1.0})

    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
    with pytest.raises(ExecutionError, match="cannot leave this process: cannot pickle '_thread.lock' object"):
        model.fit(trials=1, cluster="inline", name="locked", wait=False, progress=False)


def _wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)
