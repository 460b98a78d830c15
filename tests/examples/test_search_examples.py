"""The examples of searches run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, folder: Path) -> str:
    command = [sys.executable, str(EXAMPLES / name)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, cwd=folder, check=True).stdout


@pytest.mark.slow
def test_a_constrained_search_prints_its_front_from_accurate_to_small(tmp_path: Path) -> None:
    printed = run("constrained_search.py", tmp_path)
    points = [(float(one), int(two)) for one, two in re.findall(r"accuracy ([\d.]+), (\d+) parameters", printed)]
    assert points == sorted(points, reverse=True)
    assert len({size for _, size in points}) == len(points) > 1


@pytest.mark.slow
def test_a_resumed_search_has_the_trials_of_both_calls(tmp_path: Path) -> None:
    printed = run("resumed_search.py", tmp_path)
    assert re.findall(r"^(\d) trials", printed, flags=re.MULTILINE) == ["2", "4"]
