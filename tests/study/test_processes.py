"""Drivers that are killed, and drivers side by side, lose and repeat nothing."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable

import pytest

from gradfleet.search.space import SearchSpace
from gradfleet.study.storage import requests
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from tests.study.ledgers import optuna_study

pytestmark = pytest.mark.stores

# The order of writes is that of a sweep: ours first, then Optuna's; an ask is the other way round.
DRIVER = """
import sys, time
import optuna
from gradfleet.search.space import SearchSpace
from gradfleet.study.mirror.generation import Generation
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from tests.study import written

file, name, trials, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
store = Store.open(file)
study = store.study(name)
space = SearchSpace.from_json(study.spec["space"])
with Lease.acquire(store, study) as lease:
    generation = Generation(store, study, lambda number: optuna.samplers.TPESampler(seed=number, n_startup_trials=3))
    generation.reconcile(store.trials(study.id), store.records(study.id))
    print("drives", flush=True)
    for number in range(trials):
        known = {row.number: row for row in store.trials(study.id)}
        if number not in known:
            asked, config = generation.ask(space, number)
            written.add_trial(store, lease, number, config, seed=number, optuna_number=asked)
        trial = store.trial(study.id, number)
        if trial.state != "RUNNING":
            continue
        for epoch in range(trial.epochs + 1, 4):
            time.sleep(pause)
            value = trial.config["learning_rate"] * epoch
            assert store.add_record(lease, number, EpochRecord(epoch, {"val_accuracy": value}))
            generation.report(trial.optuna_number, epoch, value)
        assert written.end_trial(store, lease, number, "COMPLETE")
        generation.tell(trial.optuna_number, "COMPLETE", {"val_accuracy": value})
    print("done", flush=True)
"""
Begin = Callable[..., subprocess.Popen[str]]


def check(store: Store, study: StudyRow, trials: int) -> list[object]:
    """Every trial has one result and its three records, in our tables and in Optuna's; the configurations."""
    ours = store.trials(study.id)
    assert [(row.number, row.state) for row in ours] == [(number, "COMPLETE") for number in range(trials)]
    assert [(row.number, row.epoch) for row in store.records(study.id)] == [
        (number, epoch) for number in range(trials) for epoch in (1, 2, 3)
    ]
    theirs = optuna_study(store, f"{study.name}-generation-0").trials
    assert [(trial.state.name, trial.value, trial.params) for trial in theirs] == [
        ("COMPLETE", row.value, row.config) for row in ours
    ]
    assert all(list(trial.intermediate_values) == [1, 2, 3] for trial in theirs)
    return [row.config for row in ours]


@pytest.mark.soak
@pytest.mark.row_part("SE5")
def test_a_driver_killed_again_and_again_ends_with_what_an_undisturbed_one_finds(
    store: Store,
    study: StudyRow,
    spec: dict[str, object],
    url: str,
    begin: Begin,
    soak: bool,  # noqa: FBT001
) -> None:
    kills, chance = 20 if soak else 3, random.Random(1)
    trials = 4 * kills
    for _ in range(kills):
        driver = begin(DRIVER, url, "digits", trials, 0.01)
        assert driver.stdout is not None
        assert driver.stdout.readline() == "drives\n"
        time.sleep(chance.uniform(0.0, 0.2))
        driver.kill()
        driver.wait()
    assert begin(DRIVER, url, "digits", trials, 0).communicate()[0] == "drives\ndone\n"
    undisturbed = store.create_study("letters", spec, artifacts="here")
    assert begin(DRIVER, url, "letters", trials, 0).communicate()[0] == "drives\ndone\n"
    assert check(store, study, trials) == check(store, undisturbed, trials)


@pytest.mark.row_part("TP4")
def test_four_drivers_and_a_watcher_on_one_store_lose_nothing(
    store: Store, spec: dict[str, object], url: str, begin: Begin, space: SearchSpace
) -> None:
    studies = [store.create_study(f"study-{number}", spec, artifacts="here") for number in range(4)]
    drivers = [begin(DRIVER, url, study.name, 5, 0) for study in studies]
    asked = 0
    while any(driver.poll() is None for driver in drivers):
        for study in studies:
            requests.add(store, study, "resume")
            store.changes(study.id)
        asked += 1
        time.sleep(0.05)
    assert [driver.returncode for driver in drivers] == [0] * 4
    for study in studies:
        check(store, study, 5)
        assert len(requests.pending(store, study)) == asked
