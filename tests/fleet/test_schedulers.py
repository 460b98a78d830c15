"""Schedulers by name, and ASHA's memory after a restart."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from gradfleet.errors import SettingError
from gradfleet.fleet.schedulers import make_scheduler
from gradfleet.objective import Objective
from gradfleet.search.space import Entry, Float, SearchSpace
from gradfleet.study.budget import Budget
from gradfleet.study.lease import Lease
from gradfleet.study.rows import StudyRow
from gradfleet.study.scheduler import NoScheduler, Scheduler
from gradfleet.study.store import Store
from gradfleet.training.history import EpochRecord
from tests.study.ledgers import ACCURACY, accuracy, open_ledger

LOSS = Objective("loss", "min")
EPOCHS = 27


def asha(objective: Objective = LOSS, epochs: int = EPOCHS) -> Scheduler:
    return make_scheduler("asha", objective=objective, epochs=epochs)


def loss(value: float, epoch: int) -> EpochRecord:
    return EpochRecord(epoch, {"loss": value})


def drive(store: Store, study: StudyRow, *, rounds: int) -> bool:
    """Run up to three trials side by side, an epoch each in every round; whether the sweep has ended."""
    with Lease.acquire(store, study) as lease:
        ledger = open_ledger(store, lease, budget=Budget(trials=20), epochs=EPOCHS, scheduler=asha(ACCURACY))
        running: dict[int, int] = {}
        for _ in range(rounds):
            while len(running) < 3 and (plan := ledger.next_plan()) is not None:
                ledger.begin(plan.number)
                done = store.trial(study.id, plan.number).epochs
                running[plan.number] = done + 1
            for number in sorted(running):
                value = random.Random(f"{number} {running[number]}").random() + number % 3
                if not ledger.record(number, accuracy(value, running[number]), None) or running[number] == EPOCHS:
                    ledger.end(number)
                    del running[number]
                else:
                    running[number] += 1
        return ledger.finished


@pytest.mark.row_part("SE6")
def test_a_sweep_that_is_killed_every_few_epochs_stops_the_same_trials_at_the_same_epochs(tmp_path: Path) -> None:
    ends = []
    with Store.open(tmp_path / "gradfleet.db") as store:
        space = SearchSpace((Entry("x", Float(0.0, 1.0)),))
        spec = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": space.to_json()}
        for name, rounds in (("straight", 1000), ("killed", 4)):
            study = store.create_study(name, spec)
            while not drive(store, study, rounds=rounds):
                pass
            ends.append([(trial.number, trial.state, trial.epochs) for trial in store.trials(study.id)])
    assert ends[0] == ends[1]
    assert {epochs for _, state, epochs in ends[0] if state == "PRUNED"} == {3, 9}


def test_a_trial_that_has_all_its_epochs_is_never_stopped() -> None:
    scheduler = asha(epochs=3)
    assert all(scheduler.goes_on(0, loss(0.1, epoch)) for epoch in (1, 2, 3))
    assert scheduler.goes_on(1, loss(0.05, 1))
    assert scheduler.goes_on(1, loss(9.0, 3))


def test_nan_is_stopped_and_spoils_no_comparison() -> None:
    scheduler = asha(epochs=9)
    assert not scheduler.goes_on(0, loss(math.nan, 1))
    scheduler.ended(0, loss(math.nan, 1))
    assert scheduler.goes_on(1, loss(0.5, 1))
    assert not scheduler.goes_on(2, loss(0.9, 1))


def test_the_larger_is_the_better_where_the_objective_says_so() -> None:
    scheduler = asha(Objective("loss", "max"), epochs=9)
    assert scheduler.goes_on(0, loss(0.9, 1))
    assert not scheduler.goes_on(1, loss(0.5, 1))


def test_a_sweep_of_one_epoch_has_nothing_to_stop() -> None:
    scheduler = asha(epochs=1)
    assert all(scheduler.goes_on(number, loss(float(number), 1)) for number in range(5))


@pytest.mark.parametrize("name", ["none", None])
def test_none_lets_every_trial_run(name: str | None) -> None:
    assert isinstance(make_scheduler(name, objective=LOSS, epochs=3), NoScheduler)


def test_an_unknown_scheduler_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingError, match="No scheduler is called 'asah'. Did you mean 'asha'\\? Known: asha, none."):
        make_scheduler("asah", objective=LOSS, epochs=3)
