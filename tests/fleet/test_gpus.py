"""Trials and GPUs: a device each, or a part of one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.fleet.gpus import TRIALS

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def seen() -> dict[str, list[dict[str, Any]]]:
    """What trials saw of two devices, by how much of one each was to have."""
    done = subprocess.run([sys.executable, "-m", "tests.fleet.gpus"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def beside(trials: list[dict[str, Any]]) -> list[list[str]]:
    """Of each trial, the devices in use when it began, its own first."""
    return [
        [one["device"], *(other["device"] for other in trials if other is not one and _runs(other, one["begun"]))]
        for one in trials
    ]


def _runs(trial: dict[str, Any], moment: float) -> bool:
    return bool(trial["begun"] <= moment < trial["ended"])


@pytest.mark.row("SE7")
def test_trials_that_take_a_gpu_each_run_side_by_side_on_devices_of_their_own(
    seen: dict[str, list[dict[str, Any]]],
) -> None:
    devices = beside(seen["1.0"])
    assert len(devices) == TRIALS
    assert {one[0] for one in devices} == {"0", "1"}
    assert all(len(one) == len(set(one)) for one in devices), devices
    assert max(map(len, devices)) == 2


@pytest.mark.row("SE7")
def test_trials_that_take_half_a_gpu_share_a_device_by_two(seen: dict[str, list[dict[str, Any]]]) -> None:
    devices = beside(seen["0.5"])
    assert len(devices) == TRIALS
    assert all(one.count(device) <= 2 for one in devices for device in ("0", "1")), devices
    assert any(one.count(one[0]) == 2 for one in devices), devices
