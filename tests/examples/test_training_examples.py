"""The examples of one model run as they stand, and learn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.conftest import Run


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert list(tmp_path.iterdir()) == []


def numbers(pattern: str, printed: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, printed)]


@pytest.mark.slow
def test_pix2pix_draws_ever_closer(run: Run) -> None:
    distances = numbers(r"L1 ([\d.]+)", run("pix2pix.py"))

    assert len(distances) == 5
    assert distances[-1] < min(0.25, distances[0])


@pytest.mark.slow
def test_reinforce_earns_more_and_goes_the_shorter_way(run: Run) -> None:
    printed = run("reinforce.py")

    rewards = numbers(r"reward ([\d.]+)", printed)
    assert rewards[-1] > rewards[0]
    chances = [float(one) for one in printed.splitlines()[-1].split(": ")[1].split()]
    assert max(chances[1:4]) < 0.2 < 0.8 < min(chances[5:8])


@pytest.mark.slow
def test_a_transformers_model_learns_its_word(run: Run) -> None:
    assert numbers(r"held out: ([\d.]+)", run("huggingface_model.py"))[0] > 0.95
