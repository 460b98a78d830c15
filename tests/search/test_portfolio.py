from __future__ import annotations

import pytest

from gradfleet import Choice, Float
from gradfleet.errors import SpaceError
from gradfleet.search.portfolio import Portfolio
from gradfleet.search.space import Entry, SearchSpace, When

SPACE = SearchSpace(
    (
        Entry("optimizer", Choice("sgd", "adam")),
        Entry("optimizer.sgd.momentum", Float(0.0, 1.0), (When("optimizer", ("sgd",)),)),
        Entry("batch_size", Choice(32, 64)),
    )
)


def test_known_good_configurations_are_completed_and_keep_their_order() -> None:
    portfolio = Portfolio.of(SPACE, [{"batch_size": 64}, {"optimizer": "adam"}])
    assert portfolio.configs == (
        {"optimizer": "sgd", "optimizer.sgd.momentum": 0.5, "batch_size": 64},
        {"optimizer": "adam", "batch_size": 32},
    )


def test_neither_the_default_nor_anything_else_is_tried_twice() -> None:
    portfolio = Portfolio.of(SPACE, [{}, {"optimizer": "adam"}, {"optimizer": "adam", "batch_size": 32}])
    assert portfolio.configs == ({"optimizer": "adam", "batch_size": 32},)


def test_all_problems_of_all_configurations_are_told() -> None:
    with pytest.raises(SpaceError) as error:
        Portfolio.of(SPACE, [{"batchsize": 64}, {}, {"optimizer": "adam", "optimizer.sgd.momentum": 0.1}])
    assert [problem.partition(". ")[0] for problem in error.value.problems] == [
        "Configuration 0 of the portfolio: No dimension is called 'batchsize'",
        "Configuration 2 of the portfolio: 'optimizer.sgd.momentum' is only there with optimizer='sgd', and this "
        "configuration is not; leave it out.",
    ]
