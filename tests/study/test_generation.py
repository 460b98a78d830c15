"""Optuna's study mirrors ours, whatever moment the driver was killed at."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from gradfleet.errors import LeaseLostError, SpaceError, StoreError
from gradfleet.search.space import Choice, Entry, SearchSpace
from gradfleet.study.mirror.generation import Generation
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from tests.study import written
from tests.study.ledgers import optuna_study

pytestmark = pytest.mark.stores

RUNNING, COMPLETE = optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.COMPLETE
PRUNED, FAIL = optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL


def sampler(number: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=number, n_startup_trials=2)


def start(store: Store, study: StudyRow) -> Generation:
    """A generation as a new driver makes it."""
    generation = Generation(store, study, sampler)
    generation.reconcile(store.trials(study.id), store.records(study.id))
    return generation


def run(store: Store, lease: Lease, generation: Generation, space: SearchSpace, number: int) -> None:
    """One trial with two epochs, from its ask to its tell."""
    optuna_number, config = generation.ask(space, number)
    written.add_trial(store, lease, number, config, seed=0, optuna_number=optuna_number)
    for epoch in (1, 2):
        value = epoch / 10 + float(str(config["learning_rate"]))
        store.add_record(lease, number, EpochRecord(epoch, {"val_accuracy": value}))
        generation.report(optuna_number, epoch, value)
    written.end_trial(store, lease, number, "COMPLETE")
    generation.tell(optuna_number, "COMPLETE", {"val_accuracy": value})


@pytest.mark.row_part("SE8")
def test_trial_0_is_the_default_configuration(
    store: Store, study: StudyRow, space: SearchSpace, capfd: pytest.CaptureFixture[str]
) -> None:
    assert start(store, study).ask(space, 0) == (0, space.default())
    (trial,) = optuna_study(store).trials
    assert trial.params == space.default()
    assert trial.state is RUNNING
    assert capfd.readouterr() == ("", "")


def test_the_portfolio_comes_next_and_then_the_sampler(store: Store, study: StudyRow, space: SearchSpace) -> None:
    known = {"architecture": "cnn", "architecture.cnn.channels": 9, "learning_rate": 0.02}
    generation = Generation(store, study, sampler, portfolio=[known])
    assert generation.ask(space, 1) == (0, known)
    assert generation.ask(space, 2)[1] != known


def test_a_portfolio_of_another_space_is_refused(store: Store, study: StudyRow, space: SearchSpace) -> None:
    generation = Generation(store, study, sampler, portfolio=[{"architecture": "mlp", "learning_rate": 9.0}])
    with pytest.raises(SpaceError, match=r"'learning_rate'.*9\.0"):
        generation.ask(space, 1)
    assert optuna_study(store).trials == []


def test_a_study_has_a_list_of_directions_and_its_own_name(
    store: Store, study: StudyRow, spec: dict[str, object]
) -> None:
    other = store.create_study(
        "letters", {**spec, "objective": {"metric": "val_loss", "mode": "min"}}, artifacts="here"
    )
    assert Generation(store, other, sampler).optuna_name == "letters-generation-0"
    Generation(store, study, sampler)
    summaries = optuna.get_all_study_summaries(optuna_study(store)._storage)
    assert {summary.study_name: summary.directions[0].name for summary in summaries} == {
        "letters-generation-0": "MINIMIZE",
        "digits-generation-0": "MAXIMIZE",
    }


def test_optuna_has_records_and_ends(store: Store, lease: Lease, space: SearchSpace) -> None:
    generation = start(store, lease.study)
    for number in range(3):
        run(store, lease, generation, space, number)
    for ours, theirs in zip(store.trials(lease.study.id), optuna_study(store).trials, strict=True):
        assert (theirs.state, theirs.value, theirs.params) == (COMPLETE, ours.value, ours.config)
        assert list(theirs.intermediate_values) == [1, 2]


def test_what_ends_early_is_told_as_that(store: Store, study: StudyRow, space: SearchSpace) -> None:
    generation = start(store, study)
    for number in range(4):
        generation.ask(space, number)
        generation.report(number, 1, 0.8)
        generation.report(number, 2, 0.5)
    generation.tell(0, "PRUNED", {"val_accuracy": 0.8})
    generation.tell(1, "FAIL", {"val_accuracy": 0.8})
    generation.tell(2, "COMPLETE", {"val_accuracy": math.nan})
    generation.tell(3, "COMPLETE")
    told = [(trial.state, trial.value) for trial in optuna_study(store).trials]
    assert told == [(PRUNED, 0.5), (FAIL, None), (FAIL, None), (FAIL, None)]


def test_reports_and_tells_count_once(store: Store, study: StudyRow, space: SearchSpace) -> None:
    generation = start(store, study)
    generation.ask(space, 0)
    for value in (0.5, 0.9):
        generation.report(0, 1, value)
    generation.tell(0, "COMPLETE", {"val_accuracy": 0.5})
    generation.tell(0, "FAIL")
    generation.report(0, 2, 1.0)
    (trial,) = optuna_study(store).trials
    assert (trial.state, trial.value, trial.intermediate_values) == (COMPLETE, 0.5, {1: 0.5})


@pytest.mark.row_part("SE5")
def test_killed_between_ask_and_our_row_the_trial_is_the_next_one(
    store: Store, lease: Lease, space: SearchSpace
) -> None:
    generation = start(store, lease.study)
    for number in range(3):
        run(store, lease, generation, space, number)
    lost = generation.ask(space, 3)
    resumed = start(store, lease.study)
    assert resumed.ask(space, 3) == lost
    assert resumed.ask(space, 4)[0] == 4
    assert len(optuna_study(store).trials) == 5


def test_killed_while_suggesting_leaves_a_trial_that_is_finished(
    store: Store, lease: Lease, space: SearchSpace
) -> None:
    run(store, lease, start(store, lease.study), space, 0)
    half = optuna_study(store).ask()
    assert half.suggest_categorical("architecture", ["mlp", "cnn"]) in ("mlp", "cnn")
    number, config = start(store, lease.study).ask(space, 1)
    assert number == half.number
    assert config["architecture"] == half.params["architecture"]
    assert optuna_study(store).trials[number].params == config


def test_an_orphan_of_another_space_is_told_as_failed(store: Store, study: StudyRow, space: SearchSpace) -> None:
    Generation(store, study, sampler)
    optuna_study(store).ask().suggest_float("unknown", 0, 1)
    optuna_study(store).ask().suggest_int("learning_rate", 1, 2)
    assert start(store, study).ask(SearchSpace(space.entries[:2]), 0) == (2, {"architecture": "mlp"})
    assert [trial.state for trial in optuna_study(store).trials] == [FAIL, FAIL, RUNNING]


@pytest.mark.row_part("SE5")
def test_killed_before_the_tell_optuna_is_told_at_the_start(store: Store, lease: Lease, space: SearchSpace) -> None:
    generation = start(store, lease.study)
    for number, state in enumerate(("COMPLETE", "PRUNED", "FAIL", "RUNNING")):
        optuna_number, config = generation.ask(space, number)
        written.add_trial(store, lease, number, config, seed=0, optuna_number=optuna_number)
        for epoch, value in enumerate((0.9, 0.4), start=1):
            store.add_record(lease, number, EpochRecord(epoch, {"val_accuracy": value}))
        if state != "RUNNING":
            written.end_trial(store, lease, number, state)
    for _ in range(2):
        start(store, lease.study)
        trials = optuna_study(store).trials
        assert [(trial.state, trial.value) for trial in trials] == [
            (COMPLETE, 0.9),
            (PRUNED, 0.4),
            (FAIL, None),
            (RUNNING, None),
        ]
        assert [trial.intermediate_values for trial in trials] == [{1: 0.9, 2: 0.4}] * 4


@pytest.mark.row_part("SE5")
def test_an_interrupted_search_asks_what_an_uninterrupted_one_would(
    tmp_path: Path, spec: dict[str, object], space: SearchSpace
) -> None:
    def search(file: Path, *, interrupted: bool) -> list[dict[str, object]]:
        with Store.open(file) as store, Lease.acquire(store, store.create_study("digits", spec)) as lease:
            generation = start(store, lease.study)
            for number in range(8):
                if interrupted:
                    generation = start(store, lease.study)
                run(store, lease, generation, space, number)
            return [dict(trial.config) for trial in store.trials(lease.study.id)]

    assert search(tmp_path / "a.db", interrupted=False) == search(tmp_path / "b.db", interrupted=True)


def test_what_a_sampler_notes_is_there_after_a_resume(store: Store, lease: Lease, space: SearchSpace) -> None:
    def make(number: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.NSGAIISampler(seed=number, population_size=2)

    generation = Generation(store, lease.study, make)
    for number in range(6):
        run(store, lease, generation, space, number)
    kept = [trial.system_attrs for trial in optuna_study(store).trials]
    assert any("generation" in key for attributes in kept for key in attributes)
    resumed = Generation(store, lease.study, make)
    assert [resumed._mirror.trial(number).system_attrs for number in range(6)] == kept


def test_a_study_deleted_by_another_program_is_an_error(store: Store, lease: Lease, space: SearchSpace) -> None:
    run(store, lease, start(store, lease.study), space, 0)
    optuna.delete_study(study_name="digits-generation-0", storage=optuna_study(store)._storage)
    with pytest.raises(StoreError, match="lacks trial 0, which the store has"):
        start(store, lease.study)


def test_a_driver_that_was_taken_over_writes_nothing_to_optuna(
    store: Store, study: StudyRow, space: SearchSpace
) -> None:
    late = Lease.acquire(store, study)
    generation = Generation(store, study, sampler, lease=late)
    generation.ask(space, 0)
    late.release()
    with Lease.acquire(store, study):
        before = optuna_study(store).trials
        writes: list[Callable[[], object]] = [
            lambda: generation.tell(0, "COMPLETE", {"val_accuracy": 0.5}),
            lambda: generation.ask(space, 1),
        ]
        for write in writes:
            with pytest.raises(LeaseLostError):
                write()
        assert optuna_study(store).trials == before


@pytest.mark.parametrize("value", [0.5, math.inf, -math.inf, math.nan])
def test_a_trial_reads_back_as_it_is_in_memory(store: Store, lease: Lease, space: SearchSpace, value: float) -> None:
    def make(number: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.NSGAIISampler(seed=number, population_size=2)

    generation = Generation(store, lease.study, make, lease=lease)
    for number in range(4):
        generation.ask(space, number)
        generation.report(number, 1, value)
        generation.tell(number, ("COMPLETE", "PRUNED", "FAIL", "COMPLETE")[number], {"val_accuracy": value})  # type: ignore[arg-type]
    theirs = optuna_study(store).trials
    assert len(theirs) == 4
    for trial in theirs:
        ours = generation._mirror.trial(trial.number)
        assert repr(replace_id(trial)) == repr(replace_id(ours))


def replace_id(trial: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
    trial._trial_id = 0
    return trial


def test_another_writer_is_noticed(store: Store, study: StudyRow, space: SearchSpace) -> None:
    generation = start(store, study)
    optuna_study(store).ask()
    with pytest.raises(StoreError, match="Another program writes to the Optuna study 'digits-generation-0'"):
        generation.ask(space, 0)


def test_a_builder_that_raises_leaves_no_trial(store: Store, study: StudyRow) -> None:
    twice = SearchSpace((Entry("a", Choice(1, 2)),))
    generation = start(store, study)
    generation.ask(twice, 1)
    with pytest.raises(ValueError, match="dynamic value space"):
        generation.ask(SearchSpace((Entry("a", Choice(1, 3)),)), 2)
    assert generation.ask(twice, 2)[0] == 1
    assert len(optuna_study(store).trials) == 2


@pytest.mark.stores("sqlite")
def test_tables_of_another_optuna_are_an_error(store: Store, study: StudyRow, file: Path) -> None:
    Generation(store, study, sampler)
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.a'")
    with pytest.raises(StoreError, match=r"Optuna's tables in the store .*gradfleet\.db are of another version"):
        Generation(store, study, sampler)
