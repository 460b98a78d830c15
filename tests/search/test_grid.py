from __future__ import annotations

from itertools import product

import pytest

from gradfleet import Choice, Float, Int
from gradfleet.errors import SpaceError
from gradfleet.search.grid import Grid
from gradfleet.search.space import Entry, SearchSpace, When


def cube() -> SearchSpace:
    return SearchSpace((Entry("a", Choice("x", "y")), Entry("b", Int(1, 2)), Entry("c", Float(0.0, 0.5, step=0.5))))


@pytest.mark.row_part("SE4")
def test_two_by_two_by_two_is_eight() -> None:
    configs = list(Grid(cube()))
    assert len(Grid(cube())) == 8
    assert [tuple(config.values()) for config in configs] == list(product("xy", (1, 2), (0.0, 0.5)))


def test_a_branch_is_enumerated_with_its_own_dimensions_only() -> None:
    sgd, nesterov = When("optimizer", ("sgd",)), When("sgd.momentum", (0.9,))
    space = SearchSpace(
        (
            Entry("optimizer", Choice("sgd", "adam")),
            Entry("sgd.momentum", Choice(0.0, 0.9), (sgd,)),
            Entry("sgd.nesterov", Choice(True, False), (nesterov,)),
            Entry("batch", Choice(32, 64)),
        )
    )
    configs = list(Grid(space))
    assert len(configs) == len(Grid(space)) == 2 * (1 + 2) + 2
    assert all(space.validate(config) == config for config in configs)
    assert len({str(config) for config in configs}) == len(configs)
    assert configs[-1] == {"optimizer": "adam", "batch": 64}


def test_steps_and_logarithms_of_whole_numbers_are_finite() -> None:
    space = SearchSpace((Entry("a", Int(0, 10, step=5)), Entry("b", Int(1, 4, log=True)), Entry("c", Choice(None))))
    assert [config["a"] for config in Grid(space)] == [0] * 4 + [5] * 4 + [10] * 4
    assert len(Grid(space)) == 12


def test_a_step_that_floats_cannot_hold_gives_values_of_the_space() -> None:
    space = SearchSpace((Entry("x", Float(0.1, 0.7, step=0.1)),))
    configs = list(Grid(space))
    assert len(configs) == 7
    assert all(space.validate(config) == config for config in configs)


def test_a_large_grid_is_counted_without_being_made() -> None:
    assert len(Grid(SearchSpace(tuple(Entry(name, Int(1, 1000)) for name in "abcde")))) == 10**15


def test_endless_dimensions_are_named() -> None:
    space = SearchSpace((Entry("a", Choice(1, 2)), Entry("b", Float(0, 1)), Entry("c", Float(1, 2, log=True))))
    message = (
        "A grid needs finite dimensions: 'b' is Float\\(0.0, 1.0\\); 'c' is Float\\(1.0, 2.0, log=True\\). "
        "Give each a step, or make it a Choice."
    )
    with pytest.raises(SpaceError, match=message):
        Grid(space)
