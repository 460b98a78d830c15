from __future__ import annotations

import json
import pickle
from typing import Any

import numpy
import optuna
import pytest

from gradfleet import Choice, Float, Int
from gradfleet.errors import SpaceError
from gradfleet.search.space import Entry, SearchSpace, When

CNN = When("architecture", ("cnn",))
POOL = When("architecture.cnn.pool", ("max",))

SPACE = SearchSpace(
    (
        Entry("architecture", Choice("mlp", "cnn")),
        Entry("architecture.mlp.width", Int(16, 256, log=True), (When("architecture", ("mlp",)),)),
        Entry("architecture.cnn.pool", Choice("avg", "max"), (CNN,)),
        Entry("architecture.cnn.size", Int(2, 4), (POOL,)),
        Entry("architecture.cnn.dropout", Float(0.0, 0.5), (When("architecture.cnn.size", (3, 4)),)),
        Entry("batch_size", Choice(32, 64)),
    )
)


def drawn(**values: object) -> dict[str, object]:
    return SPACE(optuna.trial.FixedTrial(values))


def test_the_default_has_only_the_branch_it_takes() -> None:
    assert SPACE.default() == {"architecture": "mlp", "architecture.mlp.width": 64, "batch_size": 32}


def test_branches_of_branches_are_drawn_only_with_them() -> None:
    three_deep = {
        "architecture": "cnn",
        "architecture.cnn.pool": "max",
        "architecture.cnn.size": 3,
        "architecture.cnn.dropout": 0.1,
        "batch_size": 32,
    }
    assert drawn(**three_deep) == three_deep
    assert "architecture.cnn.dropout" not in drawn(**three_deep | {"architecture.cnn.size": 2})
    assert set(drawn(**three_deep | {"architecture.cnn.pool": "avg"})) == {
        "architecture",
        "architecture.cnn.pool",
        "batch_size",
    }


def test_a_boolean_switches_a_branch() -> None:
    space = SearchSpace((Entry("deep", Choice(False, True)), Entry("depth", Int(1, 9), (When("deep", (True,)),))))
    assert space.default() == {"deep": False}
    assert space.complete({"deep": True}) == {"deep": True, "depth": 5}


def test_several_conditions_must_all_hold() -> None:
    both = Entry("both", Float(0, 1), (When("a", (1,)), When("b", (1,))))
    space = SearchSpace((Entry("a", Choice(0, 1)), Entry("b", Choice(0, 1)), both))
    assert [("both" in space.complete({"a": a, "b": b})) for a in (0, 1) for b in (0, 1)] == [False, False, False, True]


def test_a_configuration_comes_back_in_the_order_of_the_space() -> None:
    config = {"batch_size": 64, "architecture.mlp.width": 32, "architecture": "mlp"}
    assert list(SPACE.validate(config)) == ["architecture", "architecture.mlp.width", "batch_size"]


def test_a_configuration_comes_back_in_pythons_own_numbers() -> None:
    space = SearchSpace((Entry("rate", Float(0.0, 1.0)), Entry("width", Int(1, 9)), Entry("kind", Choice(1, "a"))))
    config: dict[str, Any] = {"rate": numpy.float64(0.5), "width": numpy.int64(3), "kind": numpy.int32(1)}
    for given in (space.validate(config), space.complete(config)):
        assert given == {"rate": 0.5, "width": 3, "kind": 1}
        assert [type(value) for value in given.values()] == [float, int, int]


def test_all_problems_of_a_configuration_are_told_at_once() -> None:
    config = {"architecture": "mlp", "architecture.cnn.pool": "max", "batch_siez": 64, "architecture.mlp.width": 8}
    with pytest.raises(SpaceError) as error:
        SPACE.validate(config)
    assert error.value.problems == (
        f"No dimension is called 'batch_siez'. Did you mean 'batch_size'? Known: {', '.join(sorted(SPACE.names))}.",
        "'architecture.mlp.width' needs a whole number from 16 to 256, got 8.",
        "'architecture.cnn.pool' is only there with architecture='cnn', and this configuration is not; leave it out.",
        "'batch_size' is missing: Choice(32, 64).",
    )


def test_what_hangs_on_a_value_of_another_branch_is_not_asked_for() -> None:
    with pytest.raises(SpaceError) as error:
        SPACE.validate(
            {"architecture": "mlp", "architecture.mlp.width": 64, "architecture.cnn.pool": "max", "batch_size": 32}
        )
    assert len(error.value.problems) == 1


def test_what_a_configuration_leaves_out_is_filled_with_defaults() -> None:
    assert SPACE.complete({"architecture": "cnn"}) == {
        "architecture": "cnn",
        "architecture.cnn.pool": "avg",
        "batch_size": 32,
    }


def test_filling_does_not_hide_a_value_of_another_branch() -> None:
    with pytest.raises(SpaceError, match="'architecture.cnn.pool' is only there with architecture='cnn'"):
        SPACE.complete({"architecture.cnn.pool": "max"})


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([Entry("a", Choice(1)), Entry("a", Choice(2))], "its own name, got 'a' twice"),
        (
            [Entry("a", Choice(1), (When("b", (1,)),)), Entry("b", Choice(1))],
            "'a' hangs on 'b', which has to come before",
        ),
        ([Entry("b", Choice(1, 2)), Entry("a", Choice(1), (When("b", (3,)),))], "'a' is never drawn: 'b' is .+ b=3"),
        ([Entry("b", Choice(1, 2)), Entry("a", Choice(1), (When("b", ()),))], "'a' is never drawn"),
        (
            [Entry("b", Choice(1, 2, 3)), Entry("a", Choice(1), (When("b", (1, 2)), When("b", (3,))))],
            "'a' is never drawn: what it hangs on asks for different values of 'b'",
        ),
        (
            [
                Entry("optimizer", Choice("sgd", "adam")),
                Entry("nesterov", Choice(False, True), (When("optimizer", ("sgd",)),)),
                Entry("beta", Float(0, 1), (When("nesterov", (True,)), When("optimizer", ("adam",)))),
            ],
            "'beta' is never drawn: what it hangs on asks for different values of 'optimizer'",
        ),
    ],
)
def test_a_space_that_cannot_be_says_why(entries: list[Entry], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        SearchSpace(tuple(entries))


def test_a_space_survives_json_and_pickle() -> None:
    assert SearchSpace.from_json(json.loads(json.dumps(SPACE.to_json()))) == SPACE
    assert pickle.loads(pickle.dumps(SPACE)) == SPACE


@pytest.mark.parametrize("fields", [{}, {"dimensions": [{"type": "int"}]}, {"dimensions": 3}])
def test_what_is_no_space_is_not_read_as_one(fields: dict[str, object]) -> None:
    with pytest.raises(SpaceError, match="This is not the JSON form of a search space"):
        SearchSpace.from_json(fields)


def test_differences_are_sentences() -> None:
    old = SearchSpace((Entry("a", Int(1, 4)), Entry("b", Choice("x")), Entry("c", Choice(1, 2))))
    new = SearchSpace((Entry("c", Choice(1, 2)), Entry("a", Int(1, 8)), Entry("d", Choice(1), (When("c", (2,)),))))
    assert old.difference(new) == [
        "'b' is gone; it was Choice('x').",
        "'d' is new: Choice(1) when c=2.",
        "'a' was Int(1, 4) and is Int(1, 8).",
    ]
    assert old.difference(old) == []


def test_another_order_is_a_difference() -> None:
    a, b = Entry("a", Choice(1)), Entry("b", Choice(2))
    assert SearchSpace((a, b)).difference(SearchSpace((b, a))) == ["The order was a, b and is b, a."]


def test_a_dimension_is_found_by_name() -> None:
    assert SPACE["batch_size"] == Choice(32, 64)
    with pytest.raises(SpaceError, match=r"No dimension is called 'batchsize'. Did you mean 'batch_size'\?"):
        SPACE["batchsize"]


def test_lists_become_tuples_so_that_a_space_is_what_its_json_gives_back() -> None:
    space = SearchSpace([Entry("a", Choice("x", "y")), Entry("b", Float(0, 1), [When("a", ["x"])])])  # type: ignore[arg-type]
    assert SearchSpace.from_json(space.to_json()) == space
    assert hash(space) == hash(SearchSpace.from_json(space.to_json()))


def test_what_is_no_dimension_name_or_condition_is_refused_at_birth() -> None:
    with pytest.raises(SpaceError, match=r"'a' needs a Float, an Int or a Choice, got \(0, 1\)"):
        Entry("a", (0, 1))  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match="A dimension's name is a text, got 3"):
        Entry(3, Float(0, 1))  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match=r"'a' hangs on conditions such as When\('kernel', \('rbf',\)\), got 3"):
        Entry("a", Float(0, 1), 3)  # type: ignore[arg-type]
    assert Entry("a", Float(0, 1), When("b", (1,))).when == (When("b", (1,)),)  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match=r"When takes its values in a tuple: When\('a', \('x',\)\)"):
        When("a", "x")  # type: ignore[arg-type]
