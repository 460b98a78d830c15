"""Configurations as rows: there and back, branch by branch."""

from __future__ import annotations

import numpy
import pytest

from gradfleet import Choice, Float, Int
from gradfleet.search.curves.encoding import Encoding
from gradfleet.search.space import Entry, SearchSpace, When

SPACE = SearchSpace(
    (
        Entry("architecture", Choice("mlp", "cnn", None, True)),
        Entry("architecture.cnn.layers", Int(1, 3), (When("architecture", ("cnn",)),)),
        Entry("architecture.cnn.layers.kernel", Choice(3, 5), (When("architecture.cnn.layers", (2, 3)),)),
        Entry("architecture.mlp.width", Int(8, 512, log=True), (When("architecture", ("mlp", None)),)),
        Entry("loss", Choice("l1")),
        Entry("learning_rate", Float(1e-4, 1.0, log=True)),
        Entry("dropout", Float(0.1, 0.7, step=0.2)),
        Entry("batch", Int(32, 128, step=32)),
        Entry("decay", Float(-1.0, 3.0)),
    )
)


@pytest.fixture
def encoding() -> Encoding:
    return Encoding(SPACE)


@pytest.fixture
def rng() -> numpy.random.Generator:
    return numpy.random.default_rng(0)


@pytest.mark.row_part("SE1")
def test_what_is_drawn_is_of_the_space_and_comes_back_from_its_row(
    encoding: Encoding, rng: numpy.random.Generator
) -> None:
    configs = [encoding.config(row) for row in encoding.draw(rng, 300)]
    assert [SPACE.validate(config) for config in configs] == configs
    back = [encoding.config(row) for row in encoding.rows(configs)]
    for config, again in zip(configs, back, strict=True):
        assert list(again) == list(config)
        for name in config:
            real = name in ("learning_rate", "decay")
            assert again[name] == (pytest.approx(config[name], rel=1e-9, abs=1e-9) if real else config[name])
    assert {config["architecture"] for config in configs} == {"mlp", "cnn", None, True}


def test_a_dimension_out_of_its_branch_has_no_coordinate(encoding: Encoding) -> None:
    shallow, deep = (SPACE.complete({"architecture": "cnn", "architecture.cnn.layers": layers}) for layers in (1, 3))
    rows = encoding.rows([shallow, deep])
    assert numpy.isnan(rows).tolist() == [
        [False, False, True, True, False, False, False, False, False],
        [False, False, False, True, False, False, False, False, False],
    ]


@pytest.mark.parametrize("name", ["batch", "dropout", "architecture"])
def test_values_are_drawn_evenly(encoding: Encoding, rng: numpy.random.Generator, name: str) -> None:
    values = [str(encoding.config(row)[name]) for row in encoding.draw(rng, 4000)]
    counts = [values.count(value) for value in set(values)]
    assert len(counts) == 4
    assert max(counts) - min(counts) < 200  # 1000 each, with a deviation of 27


def test_a_mutation_is_of_the_space_and_near_to_its_parent(encoding: Encoding, rng: numpy.random.Generator) -> None:
    parent = SPACE.complete({"architecture": "cnn", "architecture.cnn.layers": 2, "learning_rate": 0.01})
    rows = numpy.repeat(encoding.rows([parent]), 400, axis=0)
    mutants = [encoding.config(row) for row in encoding.mutated(rng, rows, numpy.full(400, 0.05))]
    assert [SPACE.validate(config) for config in mutants] == mutants
    changed = [config for config in mutants if config != parent]
    assert len(changed) > 320  # a change in a branch that is not there changes nothing
    assert {config["architecture.cnn.layers"] for config in mutants if config["architecture"] == "cnn"} == {1, 2, 3}
    moved = [abs(numpy.log10(config["learning_rate"]) + 2) for config in mutants]
    assert 0.0 < float(numpy.mean(moved)) < 0.2
    assert max(moved) < 1.0


def test_near_configurations_are_near_and_any_two_choices_equally_far(encoding: Encoding) -> None:
    base = {"architecture": "mlp"}
    configs = [SPACE.complete({**base, "learning_rate": rate}) for rate in (0.01, 0.02, 0.5)]
    near, middle, far = encoding.smooth(encoding.rows(configs))
    assert ((near - middle) ** 2).sum() < ((near - far) ** 2).sum()
    others = [SPACE.complete({"architecture": each}) for each in ("mlp", None, True)]
    start = encoding.groups[0]
    mlp, none, true = encoding.smooth(encoding.rows(others))[:, start]
    assert ((mlp - none) ** 2).sum() == pytest.approx(1.0)
    assert ((none - true) ** 2).sum() == pytest.approx(1.0)


def test_a_constant_is_no_column(encoding: Encoding) -> None:
    rows = encoding.rows([SPACE.default()])
    assert encoding.num_varying == len(SPACE.entries) - 1
    assert encoding.smooth(rows).shape == encoding.split(rows).shape == (1, 4 + 1 + 2 + 5)
    assert [group.stop - group.start for group in encoding.groups] == [4, 1, 2, 1, 1, 1, 1, 1]


def test_a_space_is_finite_when_all_its_dimensions_are(encoding: Encoding) -> None:
    assert not encoding.is_finite
    assert Encoding(SearchSpace((Entry("a", Int(1, 3)), Entry("b", Float(0.0, 1.0, step=0.5))))).is_finite


def test_a_space_without_dimensions_has_one_configuration(rng: numpy.random.Generator) -> None:
    nothing = Encoding(SearchSpace())
    assert nothing.draw(rng, 2).shape == (2, 0)
    assert nothing.config(nothing.draw(rng, 1)[0]) == {}


@pytest.mark.parametrize("dimension", [Int(0, 2**62 + 3), Int(3, 3 + 7 * 10**15, step=7), Int(1, 2**60 - 1, log=True)])
def test_whole_numbers_may_be_large(rng: numpy.random.Generator, dimension: Int) -> None:
    encoding = Encoding(SearchSpace((Entry("x", dimension),)))
    values = [encoding.config(row)["x"] for row in [*encoding.draw(rng, 200), *numpy.array([[0.0], [1.0]])]]
    assert [dimension.problem(value) for value in values] == [None] * 202
