"""One worker process from the inside: a trial on a thread of its own, a record at a time."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gradfleet.fleet.worker import PackedPlan, TrialWorker
from gradfleet.objective import Objective
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipes import by_value

HEARD: list[str] = []


def plan(number: int, *, kind: str = "good") -> PackedPlan:
    return PackedPlan.of(TrialPlan(number, {"kind": kind}, Objective("score", "max"), epochs=3))


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


def worker(first: PackedPlan, recipe: bytes | None = None) -> TrialWorker:
    """As Ray makes it, but for the actor around it."""
    made: TrialWorker = TrialWorker.__new__(TrialWorker)
    made.setup({"plan": first}, recipe=by_value(FunctionRecipe(train)) if recipe is None else recipe)
    return made


@pytest.fixture(autouse=True)
def heard() -> list[str]:
    HEARD.clear()
    return HEARD


def test_a_record_waits_until_the_driver_asks_for_the_next(heard: list[str]) -> None:
    one = worker(plan(0))
    assert one.step() == {"done": False, "epoch": 1, "metrics": {"score": 1.0}, "checkpoint": None}
    assert "after 1" not in heard
    assert one.step()["epoch"] == 2
    assert heard[-1] == "after 1"
    assert one.step()["epoch"] == 3
    assert one.step() == {"done": True, "error": None, "no_space": None}


def test_it_is_kept_for_the_next_trial_and_trains_on_the_same_thread(heard: list[str]) -> None:
    one = worker(plan(0))
    while not one.step()["done"]:
        pass
    assert one.reset_config({"plan": plan(1)})
    assert one.step()["epoch"] == 1
    one.cleanup()
    assert [name for name in heard if "trial" in name] == ["gradfleet-trial"] * 2


@pytest.mark.parametrize("end", ["reset", "cleanup"])
def test_a_reset_and_a_cleanup_stop_the_trial_at_the_record_that_waits(heard: list[str], end: str) -> None:
    one = worker(plan(0))
    one.step()
    one.step()
    if end == "reset":
        assert one.reset_config({"plan": plan(1)})
        assert heard[-2:] == ["after 1", "after 2"]
        assert one.step()["epoch"] == 1
    one.cleanup()
    assert heard.count("after 3") == 0


@pytest.mark.parametrize(
    ("kind", "said"), [("raises", "ArithmeticError: it diverged"), ("exits", "SystemExit: it gave up")]
)
def test_what_a_trial_raises_is_its_result_and_the_worker_goes_on(kind: str, said: str) -> None:
    one = worker(plan(0, kind=kind))
    result = one.step()
    assert result["done"]
    assert result["error"].rstrip().endswith(said)
    one.reset_config({"plan": plan(1)})
    assert one.step()["epoch"] == 1
    one.cleanup()


def test_a_recipe_that_cannot_be_unpickled_fails_its_trials_with_the_reason() -> None:
    one = worker(plan(0), recipe=b"cno_such_module\nThing\n.")
    for number in (1, 2):
        result = one.step()
        assert result["done"]
        assert "No module named 'no_such_module'" in result["error"]
        one.reset_config({"plan": plan(number)})


def test_a_packed_plan_is_its_number_as_text_and_never_copied() -> None:
    packed = plan(7)
    assert str(packed) == f"{packed}" == "7"
    assert copy.deepcopy({"plan": packed})["plan"] is packed
    assert packed.unpack().number == 7
