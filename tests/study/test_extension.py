"""A study goes on in another space, with its history, whatever moment its driver is killed at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from gradfleet.errors import StudyMismatchError
from gradfleet.search.carrying import carried_over
from gradfleet.search.space import Choice, Entry, Float, Int, SearchSpace, When
from gradfleet.study.driving.budget import Budget
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store
from gradfleet.trials.executor import InlineExecutor
from tests.study.ledgers import Curve, begun, open_ledger, optuna_study, outcomes
from tests.study.test_crash_points import Killed, MortalDatabase

MLP, CNN = When("net", ("mlp",)), When("net", ("cnn",))
OLD = SearchSpace(
    (Entry("net", Choice("mlp")), Entry("net.mlp.width", Int(8, 64), (MLP,)), Entry("x", Float(0.0, 1.0)))
)
NEW = SearchSpace(
    (
        Entry("net", Choice("mlp", "cnn")),
        Entry("net.mlp.width", Int(8, 64), (MLP,)),
        Entry("net.cnn.channels", Int(4, 8), (CNN,)),
        Entry("x", Float(0.0, 2.0)),
        Entry("batch_size", Choice(32, 64)),
    )
)


def spec(space: SearchSpace, **training: object) -> dict[str, Any]:
    made = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": space.to_json()}
    return {**made, "training": {"epochs": 2, **training}} if training else made


def in_optuna(store: Store, generation: int) -> list[optuna.trial.FrozenTrial]:
    return optuna_study(store, f"digits-generation-{generation}").trials


@pytest.mark.parametrize(
    ("config", "new", "expected"),
    [
        ({"net": "mlp", "net.mlp.width": 8, "x": 0.5}, NEW, {"batch_size": 32}),
        (
            {"net": "mlp", "net.mlp.width": 8, "x": 0.9},
            SearchSpace((*OLD.entries[:2], Entry("x", Float(0, 0.6)))),
            None,
        ),
        ({"net": "mlp", "net.mlp.width": 36, "x": 0.5}, SearchSpace(OLD.entries[2:]), {}),
        ({"net": "mlp", "net.mlp.width": 8, "x": 0.5}, SearchSpace(OLD.entries[2:]), None),
    ],
    ids=["new dimensions at their defaults", "out of a narrowed range", "gone from its default", "gone from elsewhere"],
)
def test_a_configuration_is_carried_over(
    config: dict[str, Any], new: SearchSpace, expected: dict[str, Any] | None
) -> None:
    carried = carried_over(config, old=OLD, new=new)
    if expected is None:
        assert carried is None
    else:
        assert carried == {name: value for name, value in config.items() if name in new.names} | expected


def test_another_space_is_refused_with_what_differs_and_the_way_to_extend(store: Store) -> None:
    store.create_study("digits", spec(OLD, mlp="code 1"), fingerprint="abc")
    grown = spec(NEW, mlp="code 2", cnn="code 3")
    with pytest.raises(StudyMismatchError) as caught:
        store.open_study("digits", grown, fingerprint="abc")
    assert "space.dimensions.batch_size: the store has none" in str(caught.value)
    assert str(caught.value).endswith(
        "Pass what it was made from, or another name. "
        "To search the new space from here on and keep the history, pass extend=True."
    )
    assert store.open_study("digits", grown, fingerprint="abc", extend=True).name == "digits"


def test_an_extension_changes_space_and_builders_and_nothing_else(store: Store) -> None:
    store.create_study("digits", spec(OLD, mlp="code 1"), fingerprint="abc")
    for given, fingerprint, differs in (
        (spec(NEW, mlp="code 1"), "xyz", 'data: the store has "abc", "xyz" came'),
        ({**spec(NEW, mlp="code 1"), "objective": {"metric": "f1", "mode": "max"}}, "abc", "objective.metric"),
        ({**spec(NEW), "training": {"epochs": 9, "mlp": "code 1"}}, "abc", "training.epochs: the store has 2, 9 came"),
        (spec(OLD, mlp="code 2"), "abc", 'training.mlp: the store has "code 1", "code 2" came'),
    ):
        for extend in (True, False):
            with pytest.raises(StudyMismatchError, match=differs) as caught:
                store.open_study("digits", given, fingerprint=fingerprint, extend=extend)
            assert "extend=True" not in str(caught.value)


def extend(store: Store, lease: Lease, space: SearchSpace) -> None:
    store.extend_study(lease, spec(space))


@pytest.mark.row_part("SE16")
def test_the_history_is_copied_under_the_new_space_and_marked(store: Store) -> None:
    study = store.create_study("digits", spec(OLD), seed=7)
    with Lease.acquire(store, study) as lease:
        first = open_ledger(store, lease, budget=Budget(trials=4))
        InlineExecutor().run(Curve(fails=frozenset({2})), first)
        first.close()
        extend(store, lease, NEW)
        second = open_ledger(store, lease, budget=Budget(trials=6))
        InlineExecutor().run(Curve(), second)
        second.close()
    trials = store.trials(study.id)
    assert [(trial.number, trial.generation) for trial in trials] == [*((n, 0) for n in range(4)), (4, 1), (5, 1)]
    copies = in_optuna(store, 1)
    assert [trial.user_attrs for trial in copies] == [*({"gradfleet:copy_of": n} for n in range(4)), {}, {}]
    assert [trial.state.name for trial in copies] == [
        "COMPLETE",
        "COMPLETE",
        "FAIL",
        "COMPLETE",
        "COMPLETE",
        "COMPLETE",
    ]
    for ours, theirs in zip(trials, copies, strict=True):
        assert theirs.params == {**ours.config, "batch_size": theirs.params["batch_size"]}
        assert theirs.value == ours.value or ours.state == "FAIL"
    assert [trial.params["batch_size"] for trial in copies[:4]] == [32] * 4


@pytest.mark.row_part("SE16")
def test_what_a_narrowed_range_leaves_out_stays_in_the_study_and_is_not_learned_from(store: Store) -> None:
    study = store.create_study("digits", spec(OLD), seed=7)
    with Lease.acquire(store, study) as lease:
        ledger = open_ledger(store, lease, budget=Budget(trials=5))
        InlineExecutor().run(Curve(), ledger)
        ledger.close()
        inside = [trial.number for trial in store.trials(study.id) if float(str(trial.config["x"])) <= 0.6]
        assert 0 < len(inside) < 5
        extend(store, lease, SearchSpace((*OLD.entries[:2], Entry("x", Float(0.0, 0.6)))))
        open_ledger(store, lease)
    assert len(store.trials(study.id)) == 5
    assert [trial.user_attrs["gradfleet:copy_of"] for trial in in_optuna(store, 1)] == inside


@pytest.mark.row_part("SE16")
def test_a_trial_that_ran_goes_on_with_its_configuration_and_its_copy_is_told(store: Store) -> None:
    study = store.create_study("digits", spec(OLD), seed=7)
    recipe = Curve()
    with Lease.acquire(store, study) as lease:
        ledger = open_ledger(store, lease, epochs=3)
        plan = begun(ledger)
        ledger.record(0, *next(recipe.epochs(plan)))
        extend(store, lease, NEW)
        ledger = open_ledger(store, lease, budget=Budget(trials=2), epochs=3)
        InlineExecutor().run(recipe, ledger)
        ledger.close()
    assert recipe.starts == [(0, 0), (0, 1), (1, 0)]
    assert store.trial(study.id, 0).config == plan.config
    copy, _ = in_optuna(store, 1)
    assert (copy.state.name, list(copy.intermediate_values)) == ("COMPLETE", [1, 2, 3])


def test_a_running_trial_out_of_the_new_space_goes_on_all_the_same(store: Store) -> None:
    study = store.create_study("digits", spec(OLD), seed=7)
    recipe = Curve()
    with Lease.acquire(store, study) as lease:
        ledger = open_ledger(store, lease)
        ledger.record(0, *next(recipe.epochs(begun(ledger))))
        extend(store, lease, SearchSpace((*OLD.entries[:2], Entry("x", Float(0.7, 0.8)))))
        ledger = open_ledger(store, lease, budget=Budget(trials=1))
        InlineExecutor().run(recipe, ledger)
        ledger.close()
    assert store.trial(study.id, 0).state == "COMPLETE"
    assert in_optuna(store, 1) == []


def test_the_same_space_again_begins_no_generation(store: Store, lease: Lease) -> None:
    space = SearchSpace.from_json(lease.study.spec["space"])
    assert store.extend_study(lease, spec(space)) == store.study("digits")
    extend(store, lease, NEW)
    extend(store, lease, NEW)
    assert [generation.number for generation in store.generations(lease.study.id)] == [0, 1]
    assert store.study("digits").spec["space"] == NEW.to_json()


def goes_on(place: Path, *, dies_at: int | None = None) -> int:
    """Extend the study in `place` and search on; how many transactions it took."""
    with Store.open(place / "gradfleet.db") as living:
        mortal = Store(MortalDatabase(living.database, dies_at=dies_at))
        with Lease.acquire(living, living.study("digits")) as lease, mortal:
            extend(mortal, lease, NEW)
            ledger = open_ledger(mortal, lease, budget=Budget(trials=4))
            InlineExecutor().run(Curve(), ledger)
            ledger.close()
            return mortal.database.transactions  # type: ignore[attr-defined]


def state_of(place: Path) -> tuple[Any, ...]:
    with Store.open(place / "gradfleet.db") as store:
        study = store.study("digits")
        ours = [{**trial, "checkpoint": None} for trial in outcomes(store, study)]
        theirs = [(trial.params, trial.state, trial.values, trial.user_attrs) for trial in in_optuna(store, 1)]
        return ours, theirs, len(store.generations(study.id)), study.spec


@pytest.mark.soak
@pytest.mark.row("SE16")
def test_killed_at_any_transaction_of_an_extension_it_ends_as_an_undisturbed_one(
    tmp_path: Path, crash_points: Callable[[int], range]
) -> None:
    template = tmp_path / "template"
    template.mkdir()
    with Store.open(template / "gradfleet.db") as store:
        study = store.create_study("digits", spec(OLD), seed=7, artifacts=str(tmp_path / "artifacts"))
        with Lease.acquire(store, study) as lease:
            ledger = open_ledger(store, lease, budget=Budget(trials=2))
            InlineExecutor().run(Curve(), ledger)
            begun(open_ledger(store, lease, budget=Budget(trials=3)))  # trial 2 runs when the space is extended
    shutil.copytree(template, tmp_path / "whole")
    transactions = goes_on(tmp_path / "whole")
    undisturbed = state_of(tmp_path / "whole")
    assert len(undisturbed[0]) == len(undisturbed[1]) == 4
    for dies_at in crash_points(transactions):
        place = shutil.copytree(template, tmp_path / str(dies_at))
        with pytest.raises(Killed):
            goes_on(place, dies_at=dies_at)
        goes_on(place)
        assert state_of(place) == undisturbed, f"killed at transaction {dies_at} of {transactions}"
