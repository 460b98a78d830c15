"""Objectives, constraints, and the one order that they make together."""

from __future__ import annotations

import math

import pytest

from gradfleet import Constraint, Objective
from gradfleet.errors import SettingError
from gradfleet.goal import Goal, aim, aim_from_json

ACCURACY, LATENCY = Objective("val_accuracy", "max"), Objective("latency_ms", "min")


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("latency_ms <= 20", Constraint("latency_ms", "<=", 20.0)),
        ("num_parameters<=1e6", Constraint("num_parameters", "<=", 1e6)),
        (" val_recall >= 0.9 ", Constraint("val_recall", ">=", 0.9)),
    ],
)
def test_a_constraint_is_read_from_text_and_written_as_text(text: str, constraint: Constraint) -> None:
    assert Constraint.of(text) == constraint
    assert Constraint.of(str(constraint)) == constraint


@pytest.mark.parametrize("text", ["latency_ms < 20", "latency_ms <= fast", "<= 20", "latency_ms", "latency_ms <= inf"])
def test_what_is_no_constraint_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingError, match="A constraint is a metric with its limit, such as 'latency_ms <= 20'"):
        Constraint.of(text)


def test_the_excess_is_a_part_of_the_limit_and_missing_or_nan_breaks_it() -> None:
    limit = Constraint("latency_ms", "<=", 20.0)
    assert limit.excess({"latency_ms": 25.0}) == 0.25
    assert limit.excess({"latency_ms": 10.0}) == -0.5
    assert Constraint("val_recall", ">=", 0.5).excess({"val_recall": 0.25}) == 0.5
    assert Constraint("drift", "<=", 0.0).excess({"drift": 3.0}) == 3.0
    assert limit.excess({}) == limit.excess({"latency_ms": math.nan}) == math.inf


def test_one_objective_alone_stays_what_it_is_and_more_make_a_goal_that_its_json_gives_back() -> None:
    assert aim(ACCURACY) is ACCURACY
    assert aim([ACCURACY]) is ACCURACY
    goal = aim([ACCURACY, LATENCY], ["num_parameters <= 1e6"], num_runs=3)
    assert goal == Goal((ACCURACY, LATENCY), (Constraint("num_parameters", "<=", 1e6),), 3)
    assert aim_from_json(goal.to_json()) == goal
    assert aim_from_json(ACCURACY.to_json()) == ACCURACY
    assert (goal.metric, goal.mode) == ("val_accuracy", "max")
    assert goal.metrics == ("val_accuracy", "latency_ms", "num_parameters")


def test_contradictions_are_refused_all_at_once() -> None:
    with pytest.raises(SettingError) as refused:
        aim([ACCURACY, Objective("val_accuracy", "min")], ["latency_ms >= 30", "latency_ms <= 20"])
    assert list(refused.value.problems) == [
        "Each metric is one objective, got 'val_accuracy' as max and as min. Take one of them out.",
        "No trial can keep both latency_ms >= 30 and latency_ms <= 20. Change one of them.",
    ]
    with pytest.raises(SettingError, match="A search needs an objective, got none"):
        aim([])
    with pytest.raises(SettingError, match=r"An objective is Objective\(metric, mode\) or several of them in a list"):
        aim("val_accuracy")  # type: ignore[arg-type]


def test_what_keeps_the_constraints_goes_before_what_is_better_and_breaks_them() -> None:
    goal = Goal((ACCURACY,), (Constraint("latency_ms", "<=", 20.0),))
    records = [
        {"val_accuracy": 0.99, "latency_ms": 40.0},
        {"val_accuracy": 0.95, "latency_ms": 22.0},
        {"val_accuracy": 0.7, "latency_ms": 10.0},
        {"val_accuracy": 0.8, "latency_ms": 20.0},
    ]
    assert [record["val_accuracy"] for record in sorted(records, key=goal.rank)] == [0.8, 0.7, 0.95, 0.99]
    assert [goal.final(record) for record in records] == [False, False, True, True]


def test_equal_values_are_told_apart_by_the_calibrated_loss_where_there_is_one() -> None:
    records = [
        {"val_accuracy": 0.9, "val_loss": 0.1, "val_calibrated_loss": 0.3},
        {"val_accuracy": 0.9, "val_loss": 0.2, "val_calibrated_loss": 0.2},
        {"val_accuracy": 0.9, "val_loss": 0.25},
        {"val_accuracy": 0.9},
        {"val_accuracy": 0.8, "val_loss": 0.0, "val_calibrated_loss": 0.0},
    ]
    assert [records.index(one) for one in sorted(records, key=ACCURACY.rank)] == [1, 0, 2, 3, 4]


def test_a_mean_over_more_runs_goes_first_and_only_that_of_all_may_end_a_search() -> None:
    goal = aim(ACCURACY, num_runs=3)
    early, whole = {"val_accuracy": 0.9, "num_runs": 1.0}, {"val_accuracy": 0.8, "num_runs": 3.0}
    assert goal.rank(whole) < goal.rank(early)
    assert goal.final(whole)
    assert not goal.final(early)


def test_a_record_without_a_metric_that_is_needed_lists_those_it_has() -> None:
    goal = aim([ACCURACY, LATENCY], ["size <= 3"])
    with pytest.raises(SettingError, match="The constraint size <= 3 needs the metric 'size', but the record"):
        goal.value({"val_accuracy": 0.5, "latency_ms": 1.0})
    with pytest.raises(SettingError, match="'latency_ms', but the record .* It has: size, val_accuracy"):
        goal.value({"val_accuracy": 0.5, "size": 1.0})
