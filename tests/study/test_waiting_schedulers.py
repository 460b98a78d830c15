"""Schedulers whose trials wait for each other: PASHA and population training."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from gradfleet.errors import SettingError, SpaceError
from gradfleet.search.space import Choice, Entry, Float, Int, SearchSpace, When
from gradfleet.study.driving.budget import Budget
from gradfleet.study.schedulers import Pasha, Population
from gradfleet.study.schedulers.explore import explored, variable
from gradfleet.study.schedulers.pasha import PashaScheduler, noise_of
from gradfleet.study.schedulers.scheduler import Course, Resume, Scheduler, SchedulerOptions, Verdict
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import TrialRow
from gradfleet.study.storage.store import Store
from gradfleet.trials.executor import InlineExecutor
from tests.study.ledgers import ACCURACY, HearsLater, TwoAtOnce, Walk, accuracy, open_ledger, outcomes
from tests.study.test_crash_points import Killed, MortalDatabase

SPACE = SearchSpace((Entry("x", Float(0.0, 1.0)),))
POPULATION = Population(size=4, interval=2, quantile=0.25)
PASHA = Pasha(grace=1, reduction_factor=2)
EXECUTORS = {"one by one": InlineExecutor(), "side by side": TwoAtOnce(), "ends heard later": HearsLater()}


def made(options: SchedulerOptions, *, epochs: int, trials: int | None = None, space: SearchSpace = SPACE) -> Scheduler:
    return options.build(Course(objective=ACCURACY, epochs=epochs, space=space, seed=7, trials=trials))


def search(
    place: Path,
    options: SchedulerOptions,
    executor: Any,
    *,
    trials: int,
    epochs: int,
    recipe: Walk | None = None,
    dies_at: int | None = None,
) -> tuple[Walk, int]:
    """Drive a study to its end or death: the recipe with what it started, and the count of transactions."""
    place.mkdir(parents=True, exist_ok=True)
    recipe = recipe or Walk()
    with Store.open(place / "gradfleet.db") as living:
        if not living.studies():
            spec = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}
            living.create_study("digits", spec, seed=7)
        mortal = Store(MortalDatabase(living.database, dies_at=dies_at))
        with Lease.acquire(living, living.study("digits")) as lease, mortal:
            ledger = open_ledger(
                mortal,
                lease,
                budget=Budget(trials=trials),
                epochs=epochs,
                scheduler=made(options, epochs=epochs, trials=trials),
                keep=2,
            )
            executor.run(recipe, ledger)
            ledger.close()
            return recipe, mortal.database.transactions  # type: ignore[attr-defined]


def trials_of(place: Path) -> list[TrialRow]:
    with Store.open(place / "gradfleet.db") as store:
        return store.trials(store.study("digits").id)


def ends(place: Path) -> list[dict[str, Any]]:
    with Store.open(place / "gradfleet.db") as store:
        found = outcomes(store, store.study("digits"))
        origins = [trial.came_from for trial in store.trials(store.study("digits").id)]
    return [{**trial, "checkpoint": None, "origin": origin} for trial, origin in zip(found, origins, strict=True)]


# PASHA


def pasha(epochs: int = 8) -> PashaScheduler:
    scheduler = made(PASHA, epochs=epochs)
    assert isinstance(scheduler, PashaScheduler)
    return scheduler


def test_the_best_half_of_a_rung_is_promoted_and_the_highest_rung_waits_for_disagreement() -> None:
    scheduler = pasha()
    assert scheduler.milestones == (1, 2, 4)
    assert scheduler.epochs == 2
    assert scheduler.judge(0, accuracy(0.5)) is Verdict.PAUSE  # one of one is no half
    assert scheduler.judge(1, accuracy(0.6)) is Verdict.GO_ON
    assert scheduler.judge(1, accuracy(0.7, 2)) is Verdict.PAUSE
    assert scheduler.next_move() is None
    assert scheduler.judge(2, accuracy(0.4)) is Verdict.PAUSE
    assert scheduler.judge(3, accuracy(0.3)) is Verdict.PAUSE
    assert scheduler.next_move() == Resume(0)
    assert scheduler.why_waiting(2) == "It was not promoted beyond epoch 1."
    scheduler.made(Resume(0))
    assert scheduler.judge(0, accuracy(0.6, 2)) is Verdict.PAUSE  # the order is as it was: the rung stays the highest
    assert (scheduler.epochs, scheduler.next_move()) == (2, None)


def test_where_the_order_of_the_highest_rung_is_another_the_next_one_is_opened() -> None:
    scheduler = pasha()
    for number, value in enumerate((0.5, 0.6, 0.4, 0.3)):
        scheduler.judge(number, accuracy(value))
    scheduler.judge(1, accuracy(0.7, 2))
    assert scheduler.next_move() == Resume(0)
    scheduler.made(Resume(0))
    assert scheduler.judge(0, accuracy(0.9, 2)) is Verdict.GO_ON  # now the best of two that may climb on
    assert scheduler.epochs == 4


def test_noise_is_how_far_trials_are_apart_whose_order_changes_and_changes_back() -> None:
    crossing = [{1: 0.5, 2: 0.6, 3: 0.7}, {1: 0.4, 2: 0.65, 3: 0.66}]
    assert noise_of(crossing) == pytest.approx(0.04)
    assert noise_of([{1: 0.5, 2: 0.6}, {1: 0.4, 2: 0.7}]) == 0.0
    assert noise_of(crossing[:1]) == 0.0


def test_nan_is_stopped_and_never_promoted() -> None:
    scheduler = pasha()
    assert scheduler.judge(0, accuracy(math.nan)) is Verdict.STOP
    assert scheduler.judge(1, accuracy(0.1)) is Verdict.PAUSE
    assert scheduler.next_move() is None


@pytest.mark.row_part("SE6")
@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
def test_pasha_spends_little_where_the_order_settles_early_and_finds_the_best(tmp_path: Path, executor: Any) -> None:
    recipe, _ = search(tmp_path, PASHA, executor, trials=24, epochs=16)
    trials = trials_of(tmp_path)
    assert len(trials) == 24
    assert sum(trial.epochs for trial in trials) < 0.2 * 24 * 16
    assert max(trial.epochs for trial in trials) == 2  # one more epoch tells nothing new
    assert {trial.state for trial in trials} == {"PRUNED"}
    best = max(trials, key=lambda trial: trial.value or 0.0)
    assert abs(float(str(best.config["x"])) - 0.7) < 0.1
    assert all(trial.epochs <= epochs for trial in trials for number, epochs in recipe.starts if number < 0)
    promoted = {number for number, done in recipe.starts if done}
    assert all(done in (0, 1) for _, done in recipe.starts)  # who goes on, goes on from its checkpoint
    assert all(trial.epochs == 2 for trial in trials if trial.number in promoted)


@pytest.mark.row_part("SE6")
def test_pasha_goes_to_the_last_epoch_where_later_epochs_turn_the_order(tmp_path: Path) -> None:
    class Turning(Walk):
        def epochs(self, plan: Any) -> Any:
            for record, folder in super().epochs(plan):
                value = float(str(plan.config["x"])) * (-1) ** round(math.log2(record.epoch))
                yield accuracy(value, record.epoch), folder

    search(tmp_path, PASHA, InlineExecutor(), trials=24, epochs=8, recipe=Turning())
    assert max(trial.epochs for trial in trials_of(tmp_path)) == 8


# Population training


@pytest.mark.row_part("SE6")
def test_the_best_take_the_place_of_the_worst_with_their_weights(tmp_path: Path) -> None:
    search(tmp_path, POPULATION, InlineExecutor(), trials=20, epochs=8)
    trials = trials_of(tmp_path)
    copies = [trial for trial in trials if trial.came_from is not None]
    assert len(trials) == 4 + len(copies)
    assert [trial.state for trial in trials].count("COMPLETE") == 4
    assert copies
    with Store.open(tmp_path / "gradfleet.db") as store:
        study = store.study("digits")
        for copy in copies:
            origin = copy.came_from
            assert origin is not None
            replaced = trials[origin.replaces]
            assert (replaced.state, replaced.epochs) == ("PRUNED", origin.epoch)
            assert replaced.reason == f"A copy of trial {origin.parent} took its place after epoch {origin.epoch}."
            assert copy.config != trials[origin.parent].config
            (inherited,) = [r for r in store.records(study.id, origin.parent) if r.epoch == origin.epoch]
            first, *_ = store.records(study.id, copy.number)
            assert first.epoch == origin.epoch + 1
            gain = first.metrics["val_accuracy"] - inherited.metrics["val_accuracy"]
            assert gain == pytest.approx(Walk.worth(float(str(copy.config["x"]))))


@pytest.mark.row_part("SE6")
def test_the_same_seed_gives_the_same_population_one_by_one_and_side_by_side(tmp_path: Path) -> None:
    found = []
    for name, executor in EXECUTORS.items():
        search(tmp_path / name, POPULATION, executor, trials=20, epochs=8)
        by_chain = {}
        for trial in ends(tmp_path / name):
            origin = trial["origin"]
            key = (origin.epoch, origin.replaces) if origin and origin.replaces < 4 else trial["number"]
            by_chain[str(key)] = (trial["config"], trial["value"], trial["state"])
        found.append(by_chain)
    one_by_one, *others = found
    assert all(other == one_by_one for other in others)


def test_where_trials_leave_no_room_for_copies_everybody_trains_on(tmp_path: Path) -> None:
    search(tmp_path, POPULATION, InlineExecutor(), trials=5, epochs=8)
    assert [(trial.state, trial.epochs) for trial in trials_of(tmp_path)].count(("COMPLETE", 8)) == 4
    search(tmp_path, POPULATION, InlineExecutor(), trials=20, epochs=8)  # what is done stays done
    assert len(trials_of(tmp_path)) == 5


def test_a_member_that_fails_leaves_the_population_which_goes_on(tmp_path: Path) -> None:
    class Failing(Walk):
        def epochs(self, plan: Any) -> Any:
            for record, folder in super().epochs(plan):
                if plan.number == 2 and record.epoch == 3:
                    raise ArithmeticError("it diverged")
                yield record, folder

    search(tmp_path, POPULATION, InlineExecutor(), trials=30, epochs=8, recipe=Failing())
    states = [trial.state for trial in trials_of(tmp_path)]
    assert "RUNNING" not in states
    assert states.count("COMPLETE") in (3, 4)


@pytest.mark.soak
@pytest.mark.row_part("SE6")
@pytest.mark.parametrize("options", [PASHA, Population(size=3, interval=1)], ids=["pasha", "pbt"])
def test_killed_at_any_transaction_the_search_ends_as_an_undisturbed_one(
    tmp_path: Path, options: SchedulerOptions, crash_points: Callable[[int], range]
) -> None:
    def drive(place: Path, dies_at: int | None = None) -> int:
        _, transactions = search(place, options, InlineExecutor(), trials=6, epochs=3, dies_at=dies_at)
        return transactions

    transactions = drive(tmp_path / "whole")
    undisturbed = ends(tmp_path / "whole")
    for dies_at in crash_points(transactions):
        place = tmp_path / str(dies_at)
        with pytest.raises(Killed):
            drive(place, dies_at)
        drive(place)
        assert ends(place) == undisturbed, f"killed at transaction {dies_at} of {transactions}"
        shutil.rmtree(place)


# How a population changes what it copies

WIDE = SearchSpace(
    (
        Entry("architecture", Choice("mlp", "cnn")),
        Entry("architecture.mlp.width", Int(8, 64), (When("architecture", ("mlp",)),)),
        Entry("optimizer", Choice("sgd")),
        Entry("optimizer.sgd.learning_rate", Float(1e-4, 1.0, log=True), (When("optimizer", ("sgd",)),)),
        Entry("optimizer.sgd.momentum", Float(0.0, 0.99)),
        Entry("callbacks.mixup", Choice("on", None)),
        Entry("callbacks.mixup.alpha", Float(0.1, 0.9, step=0.2), (When("callbacks.mixup", ("on",)),)),
        Entry("batch_size", Choice(32, 64, 128)),
        Entry("patience", Int(1, 9)),
        Entry("schedule", Choice("cosine", None)),
    )
)
FREE = (
    "optimizer.sgd.learning_rate",
    "optimizer.sgd.momentum",
    "callbacks.mixup.alpha",
    "batch_size",
    "patience",
)


def test_what_the_weights_depend_on_does_not_change() -> None:
    assert variable(WIDE, None) == FREE
    assert variable(WIDE, ("patience",)) == ("patience",)


@pytest.mark.parametrize(
    ("space", "vary", "message"),
    [
        (WIDE, ("paitence",), "No dimension is called 'paitence'. Did you mean 'patience'"),
        (
            WIDE,
            ("architecture",),
            "'architecture' cannot change while a population trains: other dimensions hang on it.",
        ),
        (
            SearchSpace(WIDE.entries[:3]),
            None,
            r"Population training has nothing to change here: none of architecture, ",
        ),
    ],
)
def test_what_cannot_change_is_refused(space: SearchSpace, vary: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        made(Population(vary=vary), epochs=8, space=space)


def test_numbers_are_multiplied_neighbours_are_taken_and_ranges_hold() -> None:
    config = WIDE.complete({"optimizer.sgd.learning_rate": 0.1, "patience": 1, "batch_size": 64})
    near = [
        explored(config, WIDE, vary=FREE, resample=0.0, chance=numpy.random.default_rng(seed)) for seed in range(40)
    ]
    assert {round(float(str(one["optimizer.sgd.learning_rate"])), 3) for one in near} == {0.08, 0.12}
    assert {one["batch_size"] for one in near} == {32, 128}
    assert {one["patience"] for one in near} == {1, 2}
    assert {one["architecture.mlp.width"] for one in near} == {config["architecture.mlp.width"]}
    assert all(WIDE.validate(one) == one for one in near)


def test_a_share_of_the_values_is_drawn_anew_from_the_whole_range() -> None:
    config = WIDE.default()
    anew = [
        explored(config, WIDE, vary=FREE, resample=1.0, chance=numpy.random.default_rng(seed)) for seed in range(200)
    ]
    rates = [float(str(one["optimizer.sgd.learning_rate"])) for one in anew]
    assert 0.3 < sum(rate < 1e-2 for rate in rates) / len(rates) < 0.7
    assert {one["patience"] for one in anew} == set(range(1, 10))
    assert {round(float(str(one["callbacks.mixup.alpha"])), 3) for one in anew} == {0.1, 0.3, 0.5, 0.7, 0.9}
    assert all(WIDE.validate(one) == one for one in anew)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 1}, "size of Population is a whole number of at least 2, got 1."),
        ({"interval": 0}, "interval of Population is a whole number of at least 1, got 0."),
        ({"quantile": 0.7}, "quantile of Population is above 0 and at most 0.5, got 0.7."),
        ({"quantile": math.nan}, "quantile of Population is above 0 and at most 0.5, got nan."),
        ({"resample": -0.1}, "resample of Population is from 0 to 1, got -0.1."),
        ({"vary": "patience"}, "vary of Population is a tuple of names, or None for all; got 'patience'."),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Population(**settings)


def test_a_population_needs_room_and_time() -> None:
    assert Population(size=8).problems(epochs=5, trials=8) == []
    assert Population(size=8, interval=5).problems(epochs=5, trials=7) == [
        "A population of 8 needs as many trials, and room for copies; got trials=7.",
        "A population that is selected every 5 epochs needs more than that, got epochs=5.",
    ]


def test_settings_are_kept_as_json() -> None:
    for options in (PASHA, Population(vary=("x",))):
        assert json.loads(json.dumps(options.to_json())) == options.to_json()
