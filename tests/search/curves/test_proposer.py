"""What is proposed from what is known, whatever that is."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy
import pytest

from gradfleet import Choice, Float, Int
from gradfleet.search.curves.knowledge import Past
from gradfleet.search.curves.proposer import STARTUP, Proposer
from gradfleet.search.space import Entry, SearchSpace, When
from gradfleet.search.suggester import Config

SPACE = SearchSpace(
    (
        Entry("optimizer", Choice("adam", "sgd")),
        Entry("optimizer.sgd.momentum", Float(0.0, 0.99), (When("optimizer", ("sgd",)),)),
        Entry("learning_rate", Float(1e-4, 1.0, log=True)),
        Entry("width", Int(8, 64, step=8)),
    )
)
FINITE = SearchSpace((Entry("a", Choice("x", "y", "z")), Entry("b", Int(1, 4))))
EPOCHS = 3


def worth(config: Config) -> float:
    """The best is sgd with a momentum of 0.9 and a rate of 0.1."""
    momentum = float(config.get("optimizer.sgd.momentum", 0.0))
    return -((numpy.log10(float(config["learning_rate"])) + 1) ** 2) / 4 - (0.9 - momentum) ** 2


def past(configs: Sequence[Config], *, epochs: int = EPOCHS) -> list[Past]:
    """As if each had trained for so many epochs."""
    return [
        Past(
            config,
            {epoch: worth(config) - 0.5 / epoch for epoch in range(1, epochs + 1)},
            "complete" if epochs == EPOCHS else "stopped",
        )
        for config in configs
    ]


def proposed(proposer: Proposer, known: Sequence[Past], *, turn: int, seed: int = 0) -> Config:
    return proposer.propose(known, numpy.random.default_rng([seed, turn]), turn=turn)


def searched(trials: int, *, seed: int = 0) -> list[Config]:
    proposer, configs = Proposer(SPACE, epochs=EPOCHS), [SPACE.default()]
    while len(configs) < trials:
        configs.append(proposed(proposer, past(configs), turn=len(configs), seed=seed))
    return configs


def text(config: Config) -> str:
    return json.dumps(config)


@pytest.mark.row_part("SE13")
def test_it_comes_nearer_to_the_best_than_chance() -> None:
    ours, chance = [], []
    for seed in range(3):
        ours.append(max(map(worth, searched(30, seed=seed))))
        rng = numpy.random.default_rng(seed)
        proposer = Proposer(SPACE, epochs=EPOCHS)
        drawn = [proposer.encoding.config(row) for row in proposer.encoding.draw(rng, 30)]
        chance.append(max(map(worth, drawn)))
    assert numpy.mean(ours) > 0.5 * numpy.mean(chance)  # both below 0
    assert all(SPACE.validate(config) == config for config in searched(12))


def test_it_learns_from_trials_that_were_all_stopped_early() -> None:
    proposer = Proposer(SPACE, epochs=EPOCHS)
    drawn = [proposer.encoding.config(row) for row in proposer.encoding.draw(numpy.random.default_rng(0), 40)]
    known = past(drawn, epochs=1)
    after = [worth(proposed(proposer, known, turn=turn)) for turn in range(40, 60)]
    assert numpy.median(after) > numpy.quantile([worth(config) for config in drawn], 0.8)


def test_the_first_trials_are_spread_over_the_space() -> None:
    configs = searched(STARTUP)
    assert {config["optimizer"] for config in configs} == {"adam", "sgd"}
    rates = sorted(numpy.log10(float(config["learning_rate"])) for config in configs)
    assert rates[0] < -3.0
    assert rates[-1] > -1.0


def test_the_same_past_and_seed_propose_the_same() -> None:
    known = past(searched(12))
    for turn in (12, 13, 14):
        first, again, other = (
            proposed(Proposer(SPACE, epochs=EPOCHS), known, turn=turn, seed=seed) for seed in (1, 1, 2)
        )
        assert first == again != other


def test_what_runs_is_not_proposed_beside_it() -> None:
    proposer, known = Proposer(SPACE, epochs=EPOCHS), past(searched(14))
    for turn in range(14, 30):
        config = proposed(proposer, known, turn=turn)
        assert text(config) not in {text(one.config) for one in known}
        known.append(Past(config, {1: worth(config) - 0.5} if turn % 3 == 0 else {}, "running"))


@pytest.mark.parametrize("turn", [20, 21])
def test_a_failure_keeps_the_search_away(turn: int) -> None:
    """What failed has the largest rates, where the known ones rise towards them."""
    space = SearchSpace((Entry("x", Float(0.0, 1.0)),))
    places = numpy.linspace(0.0, 1.0, 20)
    failed = [Past({"x": x}, {} if x > 0.6 else {1: x}, "failed" if x > 0.6 else "complete") for x in places]
    rising = [Past({"x": x}, {1: x}, "complete") for x in places]
    after = {}
    for name, known in (("failed", failed), ("rising", rising)):
        proposer = Proposer(space, epochs=1)
        drawn = [float(proposed(proposer, known, turn=turn, seed=seed)["x"]) for seed in range(7)]
        after[name] = numpy.median(drawn)
    assert after["failed"] < 0.65 < 0.9 < after["rising"]


@pytest.mark.parametrize(
    "scores",
    [
        [0.5] * 12,
        [0.0, 1.0] * 6,
        [-1e30, -5.0, -4.0, -1e12] * 3,
        [1e-14 * each for each in range(12)],
    ],
)
@pytest.mark.parametrize("turn", [12, 13])
def test_odd_scores_break_nothing(scores: list[float], turn: int) -> None:
    configs = searched(12)
    known = [Past(config, {1: score}, "stopped") for config, score in zip(configs, scores, strict=True)]
    config = proposed(Proposer(SPACE, epochs=EPOCHS), known, turn=turn)
    assert SPACE.validate(config) == config
    assert text(config) not in set(map(text, configs)), "nothing is tried twice where there is more"


def test_without_any_score_the_trials_go_on_to_be_spread() -> None:
    proposer = Proposer(SPACE, epochs=EPOCHS)
    known = [Past(config, {}, "failed") for config in searched(12)]
    config = proposed(proposer, known, turn=12)
    assert text(config) not in {text(one.config) for one in known}


def test_a_finite_space_is_tried_to_its_end_before_anything_comes_again() -> None:
    proposer, known = Proposer(FINITE, epochs=1), []
    for turn in range(15):
        config = proposed(proposer, known, turn=turn)
        known.append(Past(FINITE.validate(config), {1: float(config["b"])}, "complete"))
    assert len({text(one.config) for one in known[:12]}) == 12


@pytest.mark.parametrize(
    ("space", "different"),
    [
        (SearchSpace((Entry("x", Float(0.0, 1.0)),)), 14),
        (SearchSpace((Entry("x", Choice("a", "b", "c", "d")),)), 4),
        (SearchSpace((Entry("x", Choice("a")), Entry("y", Int(1, 1000, log=True)))), 14),
        (SearchSpace((Entry("x", Choice("a")),)), 1),
        (SearchSpace(), 1),
    ],
)
def test_a_space_may_be_small(space: SearchSpace, different: int) -> None:
    proposer, known = Proposer(space, epochs=1), []
    for turn in range(14):
        config = space.validate(proposed(proposer, known, turn=turn))
        known.append(Past(config, {1: float(len(str(config)))}, "complete"))
    assert len({text(one.config) for one in known}) == different
