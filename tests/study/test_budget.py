"""Budgets: what users write, and what a search has used of them."""

from __future__ import annotations

import math

import pytest

from gradfleet.errors import SettingError
from gradfleet.objective import Objective
from gradfleet.study.driving.budget import Budget, Spending, seconds
from gradfleet.training.history import EpochRecord


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1.5h", 5400),
        (" 1H 30M ", 5400),
        ("0.5s", 0.5),
        (45, 45),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_text_or_a_number_of_seconds(duration: str | float, expected: float) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize(
    "duration", ["", "10", "ten minutes", "10 min", "m10", "1h 30", "-5m", "0s", 0, -1, math.nan, math.inf, True, None]
)
def test_what_is_no_duration_is_refused_with_examples(duration: object) -> None:
    with pytest.raises(SettingError, match="duration such as '90s', '10m' or '1h30m', or a number of seconds"):
        seconds(duration)  # type: ignore[arg-type]


def test_without_trials_and_time_a_search_has_ten_minutes_a_hundred_trials_and_patience() -> None:
    assert Budget.of() == Budget(trials=100, seconds=600, patience=20)
    assert Budget.of(target=0.9, patience=3) == Budget(trials=100, seconds=600, target=0.9, patience=3)
    assert str(Budget.of()) == "100 trials or 600 s or 20 trials without a gain"


def test_with_trials_or_time_only_that_limits() -> None:
    assert Budget.of(trials=5) == Budget(trials=5)
    assert Budget.of(budget="2m", target=0.5) == Budget(seconds=120, target=0.5)
    assert [Budget(seconds=seconds).overrun for seconds in (10, 40, 600)] == [2.0, 2.0, 30.0]
    assert [Budget(seconds=seconds).training_seconds for seconds in (1, 30)] == [0.5, 29.0]
    assert str(Budget.of(budget="2m", target=0.5)) == "120 s or a target of 0.5"


def test_every_setting_that_cannot_be_is_named() -> None:
    with pytest.raises(SettingError) as caught:
        Budget(trials=0, target=math.nan, patience=1.5)  # type: ignore[arg-type]
    assert caught.value.problems == (
        "trials is a whole number of at least 1, got 0.",
        "patience is a whole number of at least 1, got 1.5.",
        "target is a number, got nan.",
    )


def record(value: float, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(1, {"score": value, "val_loss": loss})


@pytest.mark.parametrize(("mode", "values"), [("max", [0.1, 0.2, 0.3]), ("min", [0.3, 0.2, 0.1])])
def test_the_target_is_reached_from_the_objectives_side(mode: str, values: list[float]) -> None:
    spending = Spending(Budget(target=0.2), Objective("score", mode))  # type: ignore[arg-type]
    reached = []
    for value in values:
        spending.recorded(record(value))
        reached.append(spending.target_reached)
    assert reached == [False, True, True]


def test_patience_counts_ended_trials_since_the_last_gain_of_any_trial() -> None:
    spending = Spending(Budget(patience=2), Objective("score", "max"))
    over = []
    for value in (0.5, 0.4, 0.6, 0.6, 0.1):
        spending.recorded(record(value))
        spending.ended()
        over.append(spending.patience_over)
    assert over == [False, False, False, False, True]


def test_of_equal_values_the_lower_loss_is_a_gain_and_nan_is_none() -> None:
    spending = Spending(Budget(patience=1), Objective("score", "max"))
    spending.recorded(record(0.5, loss=1.0))
    spending.ended()
    spending.recorded(record(0.5, loss=0.9))
    spending.ended()
    assert not spending.patience_over
    spending.recorded(record(math.nan, loss=0.1))
    spending.ended()
    assert spending.patience_over


def test_without_limits_nothing_is_ever_used_up() -> None:
    spending = Spending(Budget(), Objective("score", "max"))
    spending.recorded(record(math.inf))
    for _ in range(50):
        spending.ended()
    assert spending.allows(10**6)
    assert not spending.target_reached
    assert not spending.patience_over
