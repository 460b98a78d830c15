"""A disk that is full ends the sweep with one line, and the study goes on once there is room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradfleet.errors import NoSpaceError
from gradfleet.study.study import Study
from tests.faults.conftest import search

Report = Callable[..., None]
SIZE = 200_000


def train(config: dict[str, Any], report: Report) -> None:
    """Every epoch has a checkpoint of a fifth of the small disk."""
    for epoch in (1, 2, 3):
        Path("weights").mkdir(exist_ok=True)
        Path("weights", "weights.bin").write_bytes(b"0" * SIZE)
        report({"score": config["x"] * epoch}, checkpoint="weights")


def fill(disk: Path) -> Path:
    """Leave no room at all."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"0" * size)
            except OSError:
                continue
    return ballast


@pytest.mark.row_part("SE5")
def test_full_artifacts_end_the_sweep_with_one_line(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = {"store": tmp_path / "gradfleet.db", "artifacts": str(small_disk)}
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * SIZE)
    with pytest.raises(
        NoSpaceError, match=rf"^No space is left at {small_disk}/.*What was recorded is kept: make space"
    ):
        search(train, trials=30, keep=30, **place)
    broken = Study.attach("sweep", store=place["store"])
    states = [trial.state for trial in broken.trials]
    assert broken.state == "failed"
    assert states[-1] == "RUNNING"
    assert states.count("COMPLETE") == len(states) - 1 > 0, "no trial failed of it"
    before = {number: list(broken.history(number)) for number in range(len(states))}

    ballast.unlink()
    study = search(train, trials=len(states), resume=True, **place)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * len(states)
    assert all(list(study.history(number))[: len(records)] == records for number, records in before.items())


@pytest.mark.row_part("SE5")
def test_a_full_store_ends_the_sweep_with_one_line(small_disk: Path, tmp_path: Path) -> None:
    place = {"store": small_disk / "gradfleet.db", "artifacts": str(tmp_path)}
    ballasts: list[Path] = []

    def fills(config: dict[str, Any], report: Report) -> None:
        for epoch in (1, 2, 3):
            report({"score": config["x"] * epoch})
            if not ballasts and config["x"] != 0.5:  # the default
                ballasts.append(fill(small_disk))

    with pytest.raises(NoSpaceError, match=r"^The store .* has no space left \(database or disk is full\)\. What was"):
        search(fills, trials=300, **place)
    broken = Study.attach("sweep", store=place["store"])
    assert {trial.state for trial in broken.trials} <= {"COMPLETE", "RUNNING"}
    before = {trial.number: list(broken.history(trial.number)) for trial in broken.trials}

    ballasts[0].unlink()
    study = search(fills, trials=len(before) + 1, resume=True, **place)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * (len(before) + 1)
    assert all(list(study.history(number))[: len(records)] == records for number, records in before.items())
