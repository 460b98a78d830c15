"""Sweeps of a training function in this process, and the things that happen to them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gradfleet import AutoModel, Float, Objective, Study
from gradfleet.trials.function_recipe import TrainFunction


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def search(train: TrainFunction, **settings: Any) -> Study:
    """A sweep in this process, unless `cluster` says otherwise."""
    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
    given = {"sampler": "random", "scheduler": "none", "epochs": 3, "cluster": "inline", "name": "sweep"}
    return model.fit(**{**given, **settings})
