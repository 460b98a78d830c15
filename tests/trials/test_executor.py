"""The inline executor against a ledger of lists."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

from gradfleet.objective import Objective
from gradfleet.training.history import EpochRecord
from gradfleet.trials.executor import InlineExecutor
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.plan import TrialPlan


@dataclass
class Ledger:
    """Hands out its plans in order, None for a pause, and writes down what it hears."""

    plans: list[TrialPlan | None]
    stops: set[tuple[int, int]] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)
    errors: list[str | None] = field(default_factory=list)
    aborted: bool = False
    held: bool = False

    @property
    def finished(self) -> bool:
        return not self.plans

    def next_plan(self) -> TrialPlan | None:
        return self.plans.pop(0)

    def begin(self, number: int) -> None:
        self.heard.append(f"begin {number}")

    def hand_back(self, number: int) -> None:
        raise AssertionError("one by one, a plan always begins")

    def record(self, number: int, record: EpochRecord, checkpoint: str | None) -> bool:
        self.heard.append(f"record {number} {record.epoch}")
        return (number, record.epoch) not in self.stops

    def end(self, number: int, error: str | None = None) -> None:
        self.heard.append(f"end {number}")
        self.errors.append(error)

    def lost(self, number: int) -> None:
        raise AssertionError("this process is the worker")

    def noted(self, text: str) -> None:
        raise AssertionError("nobody waits for anything")


def plan(number: int) -> TrialPlan:
    return TrialPlan(number, {"number": number}, Objective("score", "max"), epochs=2)


def train(config: dict[str, Any], report: Any) -> None:
    report({"score": 0.1})
    if config["number"] == 1:
        raise ArithmeticError("it diverged")
    report({"score": 0.2})


def test_it_runs_one_plan_after_the_other_until_the_ledger_is_finished() -> None:
    ledger = Ledger([plan(0), None, plan(2)])
    InlineExecutor().run(FunctionRecipe(train), ledger)
    assert ledger.heard == [
        *("begin 0", "record 0 1", "record 0 2", "end 0"),
        *("begin 2", "record 2 1", "record 2 2", "end 2"),
    ]
    assert ledger.errors == [None, None]


def test_a_trial_that_raises_ends_with_its_traceback_and_the_next_one_begins() -> None:
    ledger = Ledger([plan(1), plan(2)])
    InlineExecutor().run(FunctionRecipe(train), ledger)
    assert ledger.heard[-1] == "end 2"
    assert ledger.errors[0] is not None
    assert ledger.errors[0].endswith(traceback.format_exception_only(ArithmeticError("it diverged"))[0])


def test_a_trial_that_is_told_to_stop_ends_without_an_error() -> None:
    ledger = Ledger([plan(0)], stops={(0, 1)})
    InlineExecutor().run(FunctionRecipe(train), ledger)
    assert ledger.heard == ["begin 0", "record 0 1", "end 0"]
    assert ledger.errors == [None]


def test_a_finished_ledger_starts_nothing() -> None:
    ledger = Ledger([])
    InlineExecutor().run(FunctionRecipe(train), ledger)
    assert ledger.heard == []
