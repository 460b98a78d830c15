"""One plan, run: the same few steps everywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from gradfleet.errors import TrialStopped
from gradfleet.objective import Objective
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipe import Predictor, Report
from gradfleet.trials.run import run_trial


@dataclass
class Recipe:
    """Does what it is told."""

    do: Callable[[TrialPlan, Report], None]

    def run(self, plan: TrialPlan, report: Report) -> None:
        self.do(plan, report)

    def load(self, checkpoint: Path) -> Predictor:
        raise NotImplementedError


PLAN = TrialPlan(0, {}, Objective("score", "max"), threads=2)


def ignore(record: EpochRecord, checkpoint: str | None = None) -> None:
    return None


def test_records_go_to_report_and_nothing_is_returned() -> None:
    kept: list[EpochRecord] = []
    recipe = Recipe(lambda plan, report: report(EpochRecord(1, {"score": 0.5})))
    assert run_trial(recipe, PLAN, kept.append) is None  # type: ignore[arg-type]
    assert kept == [EpochRecord(1, {"score": 0.5})]


@pytest.mark.parametrize("end", [ArithmeticError("it diverged"), SystemExit("it gave up")])
def test_what_it_raises_is_returned_as_a_traceback(end: BaseException) -> None:
    def fail(plan: TrialPlan, report: Report) -> None:
        raise end

    text = run_trial(Recipe(fail), PLAN, ignore)
    assert text is not None
    assert text.startswith("Traceback (most recent call last):")
    assert text.rstrip().endswith(f"{type(end).__name__}: {end}")
    assert "in fail" in text


def test_a_stop_is_no_failure() -> None:
    def stop(record: EpochRecord, checkpoint: str | None = None) -> None:
        raise TrialStopped

    assert run_trial(Recipe(lambda plan, report: report(EpochRecord(1))), PLAN, stop) is None


def test_ctrl_c_goes_through() -> None:
    def interrupt(plan: TrialPlan, report: Report) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(Recipe(interrupt), PLAN, ignore)


@pytest.mark.parametrize("fails", [False, True])
def test_the_plans_threads_hold_for_the_trial_only(*, fails: bool) -> None:
    seen = []

    def look(plan: TrialPlan, report: Report) -> None:
        seen.append(torch.get_num_threads())
        if fails:
            sys.exit(1)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run_trial(Recipe(look), PLAN, ignore)
        assert (seen, torch.get_num_threads()) == ([2], 1)
    finally:
        torch.set_num_threads(before)
