"""A trial counts as hanging when nothing was heard of it for too long, and never because the driver was away."""

from __future__ import annotations

import pytest

from gradfleet.study.driving.vigil import FLOOR, PATIENCE, Vigil
from tests.study.ledgers import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wait(vigil: Vigil, clock: Clock, seconds: float) -> list[int]:
    """Who is overdue after so many seconds of listening."""
    for _ in range(round(seconds)):
        clock.time += 1.0
        vigil.overdue()
    return vigil.overdue()


def test_a_limit_holds_from_the_start(clock: Clock) -> None:
    vigil = Vigil(5.0, clock=clock)
    vigil.begins(0)
    assert wait(vigil, clock, 4) == []
    vigil.begins(1)
    vigil.heard(0)
    assert wait(vigil, clock, 5) == []
    vigil.heard(1)
    assert wait(vigil, clock, 1) == [0]
    vigil.ends(0)
    assert vigil.overdue() == []


def test_without_a_limit_nobody_is_overdue_before_the_first_record(clock: Clock) -> None:
    vigil = Vigil(None, clock=clock)
    vigil.begins(0)
    assert wait(vigil, clock, 10 * FLOOR) == []


def test_without_a_limit_the_longest_wait_is_the_measure(clock: Clock) -> None:
    vigil = Vigil(None, clock=clock)
    vigil.begins(0)
    wait(vigil, clock, 2)
    vigil.heard(0)
    assert vigil.limit == FLOOR
    wait(vigil, clock, 60)
    vigil.heard(0)
    assert vigil.limit == PATIENCE * 60
    assert wait(vigil, clock, PATIENCE * 60) == []
    assert wait(vigil, clock, 1) == [0]


def test_what_the_driver_slept_through_counts_for_nobody(clock: Clock) -> None:
    vigil = Vigil(10.0, clock=clock)
    vigil.begins(0)
    wait(vigil, clock, 6)
    clock.time += 100.0
    assert vigil.overdue() == []
    assert wait(vigil, clock, 5) == [0]
