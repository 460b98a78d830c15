"""A driver may be killed at any write: the next one ends the sweep with exactly what an undisturbed one finds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import optuna
import pytest
from optuna.storages import RDBStorage

from gradfleet.study.driving.budget import Budget
from gradfleet.study.storage.database import Database
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store
from gradfleet.trials.executor import InlineExecutor
from tests.study.ledgers import Curve, StopsAt, TwoAtOnce, open_ledger, outcomes

T = TypeVar("T")

TRIALS = 3
EPOCHS = 3


class Killed(BaseException):
    """What a process that is gone would not even raise."""


class MortalDatabase(Database):
    """A database whose process dies once the nth of its transactions, Optuna's included, is through."""

    def __init__(self, database: Database, *, dies_at: int | None) -> None:
        super().__init__(database.url, patience=1.0)
        self.transactions = 0
        self._dies_at = dies_at

    def patiently(self, attempt: Callable[[], T]) -> T:
        result = super().patiently(attempt)
        self.transactions += 1
        if self.transactions == self._dies_at:
            raise Killed
        return result


def sweep(place: Path, executor: Any, *, dies_at: int | None = None) -> tuple[Curve, int]:
    """Drive the study in `place` to its end or death: the recipe with what it started, and the count of transactions.

    Trial 1 is stopped by the scheduler and trial 2 raises. The lease lies in the store of a living process, so that
    the next driver need not wait until this one is silent.
    """
    recipe = Curve(fails=frozenset({2}))
    with Store.open(place / "gradfleet.db") as living:
        mortal = Store(MortalDatabase(living.database, dies_at=dies_at))
        study = living.study("digits")
        with Lease.acquire(living, study) as lease, mortal:
            ledger = open_ledger(
                mortal,
                lease,
                budget=Budget(trials=TRIALS),
                epochs=EPOCHS,
                scheduler=StopsAt(1, 1),
                sampler="random",
                keep=2,
            )
            executor.run(recipe, ledger)
            ledger.close()
            return recipe, mortal.database.transactions  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has been made, with Optuna's tables; each test works on a copy."""
    from gradfleet.search.space import Choice, Entry, Float, SearchSpace

    place = tmp_path_factory.mktemp("template")
    space = SearchSpace((Entry("width", Choice(8, 16)), Entry("learning_rate", Float(1e-4, 1e-1, log=True))))
    spec = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": space.to_json()}
    with Store.open(place / "gradfleet.db") as store, Lease.acquire(store, store.create_study("digits", spec)) as lease:
        open_ledger(store, lease)
        store.set_state(lease, "queued")
    return place


@pytest.fixture(scope="module")
def copies(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    folder = tmp_path_factory.mktemp("copies")
    numbers: Iterator[int] = iter(range(10**6))

    def copy() -> Path:
        place = folder / str(next(numbers))
        shutil.copytree(template, place)
        with Store.open(place / "gradfleet.db") as store:
            _move_artifacts(store, str(place))
        return place

    return copy


@pytest.fixture(scope="module")
def undisturbed(copies: Callable[[], Path]) -> dict[str, Any]:
    place = copies()
    sweep(place, InlineExecutor())
    return state_of(place)


def state_of(place: Path) -> dict[str, Any]:
    """All that is left of a sweep, wherever it lies."""
    with Store.open(place / "gradfleet.db") as store:
        study = store.study("digits")
        ours = outcomes(store, study)
        storage = RDBStorage(store.url, skip_compatibility_check=True)  # which takes longer than all the rest
        theirs = optuna.load_study(study_name="digits-generation-0", storage=storage).trials
    for trial in ours:
        trial["checkpoint"] = trial["checkpoint"] and Path(trial["checkpoint"]).relative_to(place)
    return {
        "study": study.state,
        "trials": ours,
        "optuna": [(trial.params, trial.state.name, trial.value, trial.intermediate_values) for trial in theirs],
        "folders": sorted(str(file.parent.relative_to(place)) for file in place.rglob("epoch.txt")),
    }


def ended_numbers(place: Path) -> set[int]:
    with Store.open(place / "gradfleet.db") as store:
        return {trial.number for trial in store.trials(store.study("digits").id) if trial.state != "RUNNING"}


def _move_artifacts(store: Store, place: str) -> None:
    from sqlalchemy import update

    from gradfleet.study.storage.tables import studies

    moved = update(studies).values(artifacts=f"{place}/artifacts")
    store.database.write(lambda connection: connection.execute(moved))


def test_an_undisturbed_sweep_has_a_complete_a_pruned_and_a_failed_trial(undisturbed: dict[str, Any]) -> None:
    assert [trial["state"] for trial in undisturbed["trials"]] == ["COMPLETE", "PRUNED", "FAIL"]
    assert [len(trial["records"]) for trial in undisturbed["trials"]] == [3, 1, 1]
    assert [state for _, state, *_ in undisturbed["optuna"]] == ["COMPLETE", "PRUNED", "FAIL"]
    assert undisturbed["folders"] == [
        "artifacts/digits/trial-0000/epoch-0002",
        "artifacts/digits/trial-0001/epoch-0001",
    ]


@pytest.mark.soak
@pytest.mark.parametrize("executor", [InlineExecutor(), TwoAtOnce()], ids=["one by one", "side by side"])
@pytest.mark.row_part("SE5")
def test_a_driver_killed_at_any_transaction_leaves_a_sweep_that_ends_the_same(
    copies: Callable[[], Path],
    undisturbed: dict[str, Any],
    executor: Any,
    crash_points: Callable[[int], range],
) -> None:
    _, transactions = sweep(copies(), executor)
    for dies_at in crash_points(transactions):
        place = copies()
        with pytest.raises(Killed):
            sweep(place, executor, dies_at=dies_at)
        ended_before = ended_numbers(place)
        recipe, _ = sweep(place, executor)
        assert state_of(place) == undisturbed, f"killed at transaction {dies_at} of {transactions}"
        started = {number for number, _ in recipe.starts}
        assert not started & ended_before, f"killed at transaction {dies_at}, ran twice: {started & ended_before}"
