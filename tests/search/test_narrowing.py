"""A space is narrowed or fixed, never widened."""

from __future__ import annotations

from typing import Any

import pytest

from gradfleet.errors import SpaceError
from gradfleet.search.choice import Choice
from gradfleet.search.narrowing import narrowed
from gradfleet.search.ranges import Float, Int
from gradfleet.search.space import Entry, SearchSpace, When

SPACE = SearchSpace(
    (
        Entry("architecture", Choice("cnn", "mlp", "vit")),
        Entry("architecture.cnn.channels", Int(8, 64), (When("architecture", ("cnn",)),)),
        Entry("shared", Int(1, 4), (When("architecture", ("cnn", "mlp")),)),
        Entry("deep", Int(1, 2), (When("shared", (3, 4)),)),
        Entry("rate", Float(1e-4, 1.0, log=True, default=0.1)),
        Entry("width", Int(0, 100, step=10)),
    )
)


def narrow(**changes: Any) -> SearchSpace:
    return narrowed(SPACE, changes)


def test_nothing_said_is_the_same_space() -> None:
    assert narrow() == SPACE


def test_a_value_fixes_a_dimension() -> None:
    space = narrow(rate=0.5, width=30)
    assert (space["rate"], space["width"]) == (Choice(0.5), Choice(30))
    assert space.default()["rate"] == 0.5


def test_a_branch_goes_with_its_value_and_what_hangs_on_it() -> None:
    space = narrow(architecture="vit")
    assert space.names == ("architecture", "rate", "width")


def test_a_condition_keeps_the_values_that_can_still_be() -> None:
    space = narrow(architecture={"choices": ["mlp", "vit"]})
    assert space.names == ("architecture", "shared", "deep", "rate", "width")
    assert space.entries[1].when == (When("architecture", ("mlp",)),)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"high": 0.5}, Float(1e-4, 0.5, log=True, default=0.1)),
        ({"high": 0.05}, Float(1e-4, 0.05, log=True, default=0.05)),
        ({"low": 0.2, "log": False}, Float(0.2, 1.0, default=0.2)),
        ({"low": 0.01, "high": 0.5, "default": 0.3}, Float(0.01, 0.5, log=True, default=0.3)),
        ({"low": 0.5, "high": 0.5}, Choice(0.5)),
        ({"choices": [0.1, 0.01]}, Choice(0.1, 0.01)),
        ({"choices": [1, 0.1]}, Choice(1.0, 0.1, default=0.1)),
        ({"default": 0.7}, Float(1e-4, 1.0, log=True, default=0.7)),
    ],
)
def test_a_range_of_reals_starts_where_it_did_or_as_near_as_it_can(change: dict[str, Any], expected: object) -> None:
    assert narrow(rate=change)["rate"] == expected


def test_a_whole_number_may_be_written_as_a_real_one() -> None:
    assert narrow(width={"low": 20.0, "high": 60.0})["width"] == Int(20, 60, step=10, default=50)


def test_a_choice_keeps_some_of_its_values_and_its_order_is_as_said() -> None:
    assert narrow(architecture={"choices": ["vit", "cnn"]})["architecture"] == Choice("vit", "cnn", default="cnn")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rat": 0.1}, "No dimension is called 'rat'. Did you mean 'rate'?"),
        ({"rate": 2.0}, "'rate': needs a number from 0.0001 to 1.0, got 2.0"),
        ({"rate": {"high": 3.0}}, "'rate': lies outside of Float.*which can only be narrowed; got 3.0"),
        ({"architecture": {"choices": ["cnn", "rnn"]}}, "'architecture': needs one of 'cnn', 'mlp', 'vit', got 'rnn'"),
        ({"architecture": {"low": 1}}, "'architecture': .* has no low and high; narrow it with choices"),
        ({"rate": {"low": 0.5, "high": 0.1}}, "'rate': Float needs low < high"),
        ({"architecture": "vit", "shared": 2}, "'shared' is never drawn: architecture='cnn' or 'mlp' cannot be."),
    ],
)
def test_what_is_not_of_the_space_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        narrow(**changes)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(SpaceError) as caught:
        narrow(rat=1, rate=2.0, width=5)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": {"lo": 0.1}}, "'rate': No part of a narrowing is called 'lo'. Did you mean 'low'?"),
        ({"rate": {"low": "a"}}, "'rate': low is a number, got 'a'."),
        ({"rate": {"high": True}}, "'rate': high is a number, got True."),
        ({"architecture": {"choices": "cnn"}}, "'architecture': choices are values in a list, got 'cnn'."),
        ({"rate": {"choices": [0.1], "low": 0.5}}, "'rate': .* to choices or to a range, got choices and low."),
    ],
)
def test_a_narrowing_that_has_no_meaning_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        narrow(**changes)
