"""One worker process from the inside: a trial on a thread of its own, a record at a time."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gradfleet.fleet.worker import Ended, Reported, TrialWorker
from gradfleet.objective import Objective
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipes import by_value

HEARD: list[str] = []


def plan(number: int, *, kind: str = "good") -> bytes:
    return pickle.dumps(TrialPlan(number, {"kind": kind}, Objective("score", "max"), epochs=3))


def train(config: dict[str, Any], report: Callable[..., None]) -> None:
    HEARD.append(threading.current_thread().name)
    for epoch in range(1, 4):
        if config["kind"] == "raises":
            raise ArithmeticError("it diverged")
        if config["kind"] == "exits":
            raise SystemExit("it gave up")
        try:
            report({"score": float(epoch)})
        finally:
            HEARD.append(f"after {epoch}")


@pytest.fixture
def worker() -> TrialWorker:
    """As Ray makes it, but for the actor around it."""
    HEARD.clear()
    return TrialWorker(by_value(FunctionRecipe(train)))


def test_a_record_waits_until_the_driver_has_answered_it(worker: TrialWorker) -> None:
    worker.ready()
    assert worker.start(plan(0)) == Reported(1, {"score": 1.0}, None)
    assert "after 1" not in HEARD
    assert worker.answer(True) == Reported(2, {"score": 2.0}, None)
    assert HEARD[-1] == "after 1"
    assert worker.answer(True) == Reported(3, {"score": 3.0}, None)
    assert worker.answer(True) == Ended()


def test_it_is_kept_for_the_next_trial_and_trains_on_the_same_thread(worker: TrialWorker) -> None:
    worker.start(plan(0))
    while worker.answer(True) != Ended():
        pass
    assert worker.start(plan(1)) == Reported(1, {"score": 1.0}, None)
    assert worker.answer(False) == Ended()
    assert [name for name in HEARD if "trial" in name] == ["gradfleet-trial"] * 2


def test_a_trial_that_may_not_go_on_ends_at_the_record_that_waits(worker: TrialWorker) -> None:
    worker.start(plan(0))
    worker.answer(True)
    assert worker.answer(False) == Ended()
    assert HEARD[-2:] == ["after 1", "after 2"]


@pytest.mark.parametrize(
    ("kind", "said"), [("raises", "ArithmeticError: it diverged"), ("exits", "SystemExit: it gave up")]
)
def test_what_a_trial_raises_is_its_result_and_the_worker_goes_on(worker: TrialWorker, kind: str, said: str) -> None:
    ended = worker.start(plan(0, kind=kind))
    assert isinstance(ended, Ended)
    assert (ended.error or "").rstrip().endswith(said)
    assert worker.start(plan(1)) == Reported(1, {"score": 1.0}, None)
    worker.answer(False)


def test_a_recipe_that_cannot_be_unpickled_fails_its_trials_with_the_reason() -> None:
    worker = TrialWorker(b"cno_such_module\nThing\n.")
    worker.ready()
    for number in (1, 2):
        ended = worker.start(plan(number))
        assert isinstance(ended, Ended)
        assert "No module named 'no_such_module'" in (ended.error or "")
