"""The default strategy over Optuna's trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from gradfleet import Choice, Float, Int
from gradfleet.search.curve_sampler import WINDOW, CurveSampler, _window
from gradfleet.search.curves.axes import Array
from gradfleet.search.curves.encoding import Encoding
from gradfleet.search.space import Entry, SearchSpace, When
from gradfleet.search.suggester import Config

SPACE = SearchSpace(
    (
        Entry("optimizer", Choice("sgd", "adam")),
        Entry("optimizer.sgd.momentum", Float(0.0, 0.99), (When("optimizer", ("sgd",)),)),
        Entry("learning_rate", Float(1e-4, 1.0, log=True)),
    )
)
EPOCHS = 3


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def loss(config: dict[str, Any]) -> float:
    return abs(math.log10(config["learning_rate"]) + 2.0) + (config["optimizer"] == "adam")


def run(study: optuna.Study, until: int, *, sign: float = 1.0) -> None:
    """Every third trial is pruned after an epoch, every seventh fails."""
    for number in range(len(study.trials), until):
        study.sampler = CurveSampler(SPACE, epochs=EPOCHS, seed=number)
        trial = study.ask()
        value = sign * loss(SPACE(trial))
        for epoch in (1,) if number % 3 == 1 else (1, 2, 3):
            trial.report(value + sign / epoch, epoch)
        if number % 7 == 6:
            study.tell(trial, state=TrialState.FAIL)
        elif number % 3 == 1:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value + sign / 3)


def test_what_is_minimised_is_maximised_with_the_other_sign() -> None:
    down, up = optuna.create_study(direction="minimize"), optuna.create_study(direction="maximize")
    run(down, 20)
    run(up, 20, sign=-1.0)
    assert [trial.params for trial in down.trials] == [trial.params for trial in up.trials]


def test_trials_that_wait_are_no_history() -> None:
    straight, queued = optuna.create_study(), optuna.create_study()
    for study in (straight, queued):
        run(study, 12)
    queued.enqueue_trial(SPACE.default())
    queued.enqueue_trial(SPACE.default())
    first = queued.ask()
    assert SPACE(first) == SPACE.default()
    assert queued.trials[-1].state == TrialState.WAITING
    queued.sampler = CurveSampler(SPACE, epochs=EPOCHS, seed=1)
    second, third = queued.ask(), queued.ask()
    assert SPACE(second) == SPACE.default() != SPACE(third)


def test_a_failed_trial_of_another_space_is_no_history() -> None:
    drawn = []
    for size in (3, 9):
        study = optuna.create_study()
        run(study, 10)
        params = {"batch_size": size}
        distributions = {"batch_size": optuna.distributions.IntDistribution(1, 9)}
        study.add_trial(create_trial(params=params, distributions=distributions, state=TrialState.FAIL))
        study.sampler = CurveSampler(SPACE, epochs=EPOCHS, seed=1)
        drawn.append(SPACE(study.ask()))
    assert drawn[0] == drawn[1] == SPACE.validate(drawn[0])


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_a_number_that_is_none_counts_as_a_failure(value: float) -> None:
    broken, failed = optuna.create_study(), optuna.create_study()
    for study in (broken, failed):
        run(study, 12)
        study.enqueue_trial(SPACE.default())
        trial = study.ask()
        SPACE(trial)
        if study is broken:
            trial.report(math.nan, 1)
            study.tell(trial, value)
        else:
            study.tell(trial, state=TrialState.FAIL)
    drawn = []
    for study in (broken, failed):
        study.sampler = CurveSampler(SPACE, epochs=EPOCHS, seed=5)
        drawn.append(SPACE(study.ask()))
    assert drawn[0] == drawn[1]


def test_of_a_long_history_the_best_and_the_newest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    number_in_order = {number: (number * 37) % 5000 for number in range(5000)}
    range_of_x = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}
    for place in number_in_order.values():
        trial = create_trial(params={"x": place / 5000}, distributions=range_of_x, value=float(place))
        study._storage.create_new_trial(study._study_id, trial)
    window = [trial.number for trial in _window(study.get_trials(deepcopy=False), sign=-1.0)]
    best = {number for number, place in number_in_order.items() if place < WINDOW // 3}
    assert window == sorted(window)
    assert best <= set(window)
    assert set(range(5000 - WINDOW // 2, 5000)) <= set(window)

    encoded: list[int] = []
    rows = Encoding.rows

    def counting(self: Encoding, configs: Sequence[Config]) -> Array:
        encoded.append(len(configs))
        return rows(self, configs)

    monkeypatch.setattr(Encoding, "rows", counting)
    space = SearchSpace((Entry("x", Float(0.0, 1.0)),))
    study.sampler = CurveSampler(space, epochs=EPOCHS, seed=1)
    space.validate(space(study.ask()))
    assert encoded == [WINDOW]


def test_a_finite_space_is_not_tried_again_however_long_the_history_is() -> None:
    space = SearchSpace((Entry("a", Int(1, 20)), Entry("b", Int(1, 20))))
    study = optuna.create_study()
    configs: list[Config] = [{"a": a, "b": b} for a in range(1, 21) for b in range(1, 21)]
    whole = optuna.distributions.IntDistribution(1, 20)
    left = [config for place, config in enumerate(configs) if place % 80 == 7]
    for config in configs:
        if config not in left:
            value = float(config["a"])
            study.add_trial(create_trial(params=config, distributions={"a": whole, "b": whole}, value=value))
    for number in range(len(left)):
        study.sampler = CurveSampler(space, epochs=1, seed=number)
        trial = study.ask()
        config = space(trial)
        assert config in left
        left.remove(config)
        study.tell(trial, 0.0)
