"""One seed, one sequence of trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gradfleet.study.driving.budget import Budget
from gradfleet.trials.resources import Resources
from tests.fleet.conftest import Sweep
from tests.fleet.recipes import Steady

pytestmark = pytest.mark.ray


@pytest.mark.row("RP1")
def test_one_after_the_other_trials_come_in_the_same_sequence_twice_and_after_a_restart(
    sweep: Sweep, tmp_path: Path
) -> None:
    def configurations(name: str, *, trials: Sequence[int]) -> list[Any]:
        for until in trials:
            study = sweep(
                Steady(tmp_path / name),
                name=name,
                budget=Budget(trials=until),
                sampler="auto",
                seed=5,
                resources=Resources(cpu=2),
            )
        return [(trial.config, trial.seed) for trial in study.trials]

    first = configurations("first", trials=[14])
    assert len({str(config) for config, _ in first}) == 14
    assert configurations("second", trials=[14]) == first
    assert configurations("restarted", trials=[12, 14]) == first
