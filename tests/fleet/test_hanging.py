"""Workers that hang are found out and replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradfleet.study.driving.budget import Budget
from tests.fleet.conftest import Sweep
from tests.fleet.recipes import Steady

pytestmark = [pytest.mark.ray, pytest.mark.slow]

STALL = 12.0  # seconds; a new worker imports torch before its first record


def test_trials_that_hang_fail_with_their_reason_and_the_others_go_on(sweep: Sweep, tmp_path: Path) -> None:
    recipe = Steady(tmp_path / "log", hangs=0, freezes=1)
    study = sweep(recipe, name="hangs", budget=Budget(trials=5), stall=STALL)
    reason = "It hung: no record came for 12 s. Its worker was ended."
    assert [(trial.state, trial.reason, trial.epochs) for trial in study.trials] == [
        *[("FAIL", reason, 1)] * 2,
        *[("COMPLETE", None, 3)] * 3,
    ]
    assert (study.state, len(recipe.starts)) == ("completed", 5), "a trial that hangs is not tried again"
