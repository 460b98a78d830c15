from __future__ import annotations

import json
import math
import pickle
from typing import Any

import numpy
import pytest

from gradfleet import Choice, Float, Int
from gradfleet.errors import SpaceError
from gradfleet.search.dimensions import dimension_from_json, dimension_to_json

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(1.0, 0.0), r"Float needs low < high, got low=1.0 and high=0.0"),
        (lambda: Float(1.0, 1.0), r"low < high, got low=1.0 and high=1.0; a constant is a Choice of one value"),
        (lambda: Float(NAN, 1.0), r"Float needs finite numbers, got low=nan"),
        (lambda: Float(0.0, INF), r"Float needs finite numbers, got high=inf"),
        (lambda: Float("0", 1.0), r"Float needs finite numbers, got low='0'"),
        (lambda: Float(0.0, 1.0, log=True), r"Float with log=True needs low > 0, got low=0.0"),
        (lambda: Float(0.0, 1.0, step=0.3), r"its steps of 0.3 from 0.0 reach, got high=1.0; use 0\.9\.$"),
        (lambda: Float(0.0, 1.0, step=0.0), r"Float needs a step above zero, got step=0.0"),
        (lambda: Float(0.1, 1.0, log=True, step=0.1), r"log=True or a step, not both; got step=0.1"),
        (lambda: Float(0.0, 1.0, default=1.5), r"default of Float\(.+\) needs a number from 0.0 to 1.0, got 1.5"),
        (lambda: Float(0.0, 1.0, step=0.5, default=0.2), r"needs 0.0 plus a multiple of 0.5, got 0.2"),
        (lambda: Float(-1.7e308, 1.7e308), r"Float needs a range of at most 1\.79769e\+308, got low=-1\.7e\+308"),
        (lambda: Int(0, 10**400), r"Int needs a range of at most 9\.22337e\+18, got low=0"),
        (lambda: Int(4, 1), r"Int needs low < high, got low=4 and high=1"),
        (lambda: Int(1.5, 3), r"Int needs whole numbers, got low=1.5; Float takes real ones"),
        (lambda: Int(False, 3), r"Int needs whole numbers, got low=False"),
        (lambda: Int(0, 3, log=True), r"Int with log=True needs low > 0, got low=0"),
        (lambda: Int(0, 10, step=3), r"its steps of 3 from 0 reach, got high=10; use 9"),
        (lambda: Int(0, 10, step=20), r"its steps of 20 from 0 reach, got high=10; use a step of at most 10\.$"),
        (lambda: Float(0, 1, step=2), r"its steps of 2.0 from 0.0 reach, got high=1.0; use a step of at most 1.0\.$"),
        (lambda: Int(0, 10, step=-1), r"Int needs a step above zero, got step=-1"),
        (lambda: Int(1, 16, log=True, step=2), r"log=True or a step, not both; got step=2"),
        (lambda: Int(0, 10, default=11), r"default of Int\(.+\) needs a whole number from 0 to 10, got 11"),
        (lambda: Choice(), r"Choice needs at least one value, got none"),
        (lambda: Choice("a", "b", "a"), r"Choice needs different values, got 'a' twice in \('a', 'b', 'a'\)"),
        (lambda: Choice(1, True), r"got True twice in \(1, True\) \(1 equals True\)"),
        (lambda: Choice("a", default="b"), r"default of Choice\('a', default='b'\) needs one of 'a', got 'b'"),
        (lambda: Choice([1, 2]), r"Choice takes its values one by one: Choice\(\*\[1, 2\]\)"),
        (lambda: Choice(len), r"booleans and None, got <built-in function len>. Register other objects"),
        (lambda: Choice(NAN), r"finite numbers, booleans and None, got nan"),
    ],
)
def test_a_dimension_that_cannot_be_says_why(make: type, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()


@pytest.mark.parametrize(
    ("dimension", "start"),
    [
        (Float(0.0, 1.0), 0.5),
        (Float(0.0, 1.0, default=0.1), 0.1),
        (Float(0.01, 1.0, log=True), 0.1),
        (Float(0.0, 0.6, step=0.2), 0.2),
        (Int(0, 10), 5),
        (Int(0, 10, step=5), 5),
        (Int(16, 256, log=True), 64),
        (Int(0, 10, default=3), 3),
        (Choice("relu", "gelu"), "relu"),
        (Choice("relu", None, default=None), None),
        (Choice(None, "relu"), None),
    ],
)
def test_a_dimension_starts_with_its_default_else_in_its_middle(dimension: Float | Int | Choice, start: object) -> None:
    assert dimension.start == pytest.approx(start) if isinstance(start, float) else dimension.start == start
    assert dimension.problem(dimension.start) is None


@pytest.mark.parametrize(
    ("dimension", "value", "problem"),
    [
        (Float(0.0, 1.0), 1, None),
        (Float(0.0, 0.3, step=0.1), 0.1 + 0.2, "needs a number from 0.0 to 0.3, got 0.30000000000000004"),
        (Float(0.0, 1.0, step=0.1), 0.1 + 0.2, None),
        (Float(0.0, 1.0), True, "needs a number, got True"),
        (Float(0.0, 1.0), "0.5", "needs a number, got '0.5'"),
        (Float(0.0, 1.0), NAN, "needs a number from 0.0 to 1.0, got nan"),
        (Int(0, 4), 2.0, "needs a whole number, got 2.0"),
        (Int(0, 4, step=2), 3, "needs 0 plus a multiple of 2, got 3"),
        (Choice(0, 1), True, "needs one of 0, 1, got True"),
        (Choice(True, False), True, None),
    ],
)
def test_a_dimension_knows_its_values(dimension: Float | Int | Choice, value: object, problem: str | None) -> None:
    assert dimension.problem(value) == problem


@pytest.mark.parametrize(
    "dimension",
    [
        Float(1e-5, 0.1, log=True, default=0.01),
        Float(0, 1, step=0.25),
        Int(1, 9, step=2),
        Choice("a", 3, 2.5, True, None),
        Choice("a", None, default=None),
    ],
)
def test_a_dimension_survives_json_and_pickle(dimension: Float | Int | Choice) -> None:
    assert dimension_from_json(json.loads(json.dumps(dimension_to_json(dimension)))) == dimension
    assert pickle.loads(pickle.dumps(dimension)) == dimension


def test_a_dimension_is_shown_as_one_would_write_it() -> None:
    written = "Float(0.1, 1.0, log=True, default=0.5) Int(0, 8, step=4) Choice('a', None, default=None)"
    shown = (Float(0.1, 1, log=True, default=0.5), Int(0, 8, step=4), Choice("a", None, default=None))
    assert " ".join(map(repr, shown)) == written


def test_numbers_of_numpy_are_numbers() -> None:
    np: Any = numpy  # whose numbers are not of the types that are asked for
    assert Int(np.int64(1), np.int32(5), default=np.int64(2)) == Int(1, 5, default=2)
    assert Float(np.float64(0.5), np.float32(2)) == Float(0.5, 2.0)
    assert Choice(*np.linspace(0, 1, 3), default=np.float64(1)) == Choice(0.0, 0.5, 1.0, default=1.0)
    assert Choice(*np.arange(3)) == Choice(0, 1, 2)
    dimension = Choice(*np.logspace(-3, -1, 3))
    assert dimension_from_json(json.loads(json.dumps(dimension_to_json(dimension)))) == dimension


def test_choices_of_numbers_and_of_booleans_are_different() -> None:
    assert Choice(0, 1) != Choice(False, True)
    assert Choice(0, 1) != Choice(0, 1, default=0)
    assert len({Choice("a", "b"), Choice("a", "b")}) == 1


def test_an_unknown_type_of_dimension_is_refused_with_a_suggestion() -> None:
    with pytest.raises(SpaceError, match=r"No type of dimension is called 'flat'. Did you mean 'float'\?"):
        dimension_from_json({"type": "flat", "low": 0, "high": 1})


def test_an_unknown_setting_of_a_dimension_is_refused() -> None:
    with pytest.raises(SpaceError, match="type 'int' cannot be made from .*unexpected keyword argument 'hgih'"):
        dimension_from_json({"type": "int", "low": 0, "hgih": 1})
