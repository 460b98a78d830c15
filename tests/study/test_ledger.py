"""The ledger: what it hands out, what it keeps, and when it ends a sweep."""

from __future__ import annotations

import contextlib
import math
import traceback
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from gradfleet.errors import LeaseLostError, SettingError
from gradfleet.study.driving.budget import Budget
from gradfleet.study.driving.ledger import StudyLedger
from gradfleet.study.storage import requests
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow, TrialRow
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from gradfleet.trials.executor import InlineExecutor
from gradfleet.trials.plan import TrialPlan
from tests.study.ledgers import Clock, Curve, StopsAt, accuracy, begun, open_ledger

Open = Callable[..., StudyLedger]


@pytest.fixture
def opened(store: Store, lease: Lease) -> Open:
    """Opens a ledger on the study; again, as the next driver does."""

    def opens(**settings: object) -> StudyLedger:
        return open_ledger(store, lease, **settings)  # type: ignore[arg-type]

    return opens


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trial(store: Store, study: StudyRow, number: int = 0) -> TrialRow:
    return store.trial(study.id, number)


def optuna_trials(store: Store) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="digits-generation-0", storage=store.url).trials


# How trials end


def test_a_trial_that_ends_by_itself_is_complete_with_its_best_record(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(epochs=3)
    plan = begun(ledger)
    for epoch, value in ((1, 0.5), (2, 0.7), (3, 0.6)):
        assert ledger.record(plan.number, accuracy(value, epoch), None)
    ledger.end(plan.number)
    row = trial(store, study)
    assert (row.state, row.value, row.best_epoch, row.epochs, row.reason) == ("COMPLETE", 0.7, 2, 3, None)


def test_a_trial_that_ends_before_its_last_epoch_by_itself_is_complete(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(epochs=30)
    plan = begun(ledger)
    ledger.record(plan.number, accuracy(0.5), None)
    ledger.end(plan.number)
    assert trial(store, study).state == "COMPLETE"


def test_a_trial_that_the_scheduler_stops_is_pruned_in_both_tables_with_the_reason(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(scheduler=StopsAt(0, 1))
    plan = begun(ledger)
    assert not ledger.record(plan.number, accuracy(0.5), None)
    assert trial(store, study).stopping == "PRUNED"
    ledger.end(plan.number)
    ledger.close()
    row = trial(store, study)
    assert (row.state, row.value, row.reason) == ("PRUNED", 0.5, "The scheduler stopped it after epoch 1.")
    theirs = optuna_trials(store)[0]
    assert (theirs.state.name, theirs.value, theirs.intermediate_values) == ("PRUNED", 0.5, {1: 0.5})


def test_a_trial_that_has_all_its_epochs_is_complete_even_when_the_scheduler_would_stop_it(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(epochs=1, scheduler=StopsAt(0, 1))
    plan = begun(ledger)
    assert ledger.record(plan.number, accuracy(0.5), None)
    ledger.end(plan.number)
    assert trial(store, study).state == "COMPLETE"


def test_a_trial_that_raises_fails_with_its_traceback_and_what_was_raised(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened()
    plan = begun(ledger)
    try:
        raise ValueError("the first line\n  and a second one")
    except ValueError:
        text = traceback.format_exc()
    ledger.end(plan.number, error=text)
    row = trial(store, study)
    assert (row.state, row.reason, row.traceback) == ("FAIL", "ValueError: the first line", text)


def test_a_trial_that_reports_nothing_fails_and_says_so(opened: Open, store: Store, study: StudyRow) -> None:
    ledger = opened()
    ledger.end(begun(ledger).number)
    row = trial(store, study)
    assert (row.state, row.reason) == ("FAIL", "It ended without reporting a record.")


def test_a_trial_whose_worker_dies_goes_on_from_its_last_checkpoint(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(epochs=3)
    plan = begun(ledger)
    assert (plan.resume, plan.best) == (None, None)
    for epoch in (1, 2):
        ledger.record(plan.number, accuracy(0.9 - 0.1 * epoch, epoch), written(plan, epoch))
    ledger.lost(plan.number)
    again = begun(ledger)
    assert (again.number, again.config, again.seed) == (plan.number, plan.config, plan.seed)
    assert again.resume == f"{plan.checkpoints}/epoch-0002"
    assert again.best == study.objective.rank({"val_accuracy": 0.8})
    assert (plan.recorded, again.recorded) == (0, 2)
    assert trial(store, study).attempts == 2


def test_a_resumed_trial_may_pass_again_through_epochs_that_were_recorded(
    opened: Open, store: Store, study: StudyRow
) -> None:
    scheduler = StopsAt(9, 9)
    ledger = opened(epochs=3, scheduler=scheduler)
    plan = begun(ledger)
    for epoch in (1, 2):
        ledger.record(plan.number, accuracy(0.1 * epoch, epoch), None)
    ledger.lost(plan.number)
    begun(ledger)
    for epoch in (1, 2, 3):
        assert ledger.record(plan.number, accuracy(0.2 * epoch, epoch), None)
    assert [row.metrics["val_accuracy"] for row in store.records(study.id)] == pytest.approx([0.1, 0.2, 0.6])
    assert scheduler.seen == [("record", 0, 1), ("record", 0, 2), ("record", 0, 3)]


def test_a_trial_that_always_kills_its_worker_fails_after_three_attempts(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened()
    for _ in range(3):
        assert begun(ledger).number == 0
        ledger.lost(0)
    row = trial(store, study)
    assert (row.state, row.reason, row.attempts) == (
        "FAIL",
        "Its worker process died 3 times. It ran out of memory, or native code in it crashed.",
        3,
    )
    assert begun(ledger).number == 1


def test_a_plan_that_kills_its_worker_before_it_begins_fails_too(opened: Open, store: Store, study: StudyRow) -> None:
    ledger = opened()
    for _ in range(3):
        plan = ledger.next_plan()
        assert plan is not None
        ledger.lost(plan.number)
    assert trial(store, study).state == "FAIL"


def test_the_deaths_of_drivers_are_not_counted_as_the_trials_own(opened: Open, store: Store, study: StudyRow) -> None:
    begun(opened())
    for _ in range(5):
        begun(opened())
    ledger = opened()
    begun(ledger)
    ledger.lost(0)
    assert trial(store, study).state == "RUNNING"
    assert begun(ledger).number == 0


def test_a_trial_that_was_told_to_stop_and_then_loses_its_worker_is_not_run_again(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(scheduler=StopsAt(0, 1))
    plan = begun(ledger)
    ledger.record(plan.number, accuracy(0.5), None)
    ledger.lost(plan.number)
    assert trial(store, study).state == "PRUNED"
    assert begun(ledger).number == 1


def test_a_trial_that_loses_its_worker_after_its_last_epoch_is_complete(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(epochs=1)
    plan = begun(ledger)
    ledger.record(plan.number, accuracy(0.5), None)
    ledger.lost(plan.number)
    assert trial(store, study).state == "COMPLETE"


# Plans


def test_trial_0_is_the_default_configuration_and_the_portfolio_comes_next(opened: Open, study: StudyRow) -> None:
    known = {"architecture": "cnn", "architecture.cnn.channels": 24, "learning_rate": 0.05}
    ledger = opened(portfolio=[known])
    first, second, third = begun(ledger), begun(ledger), begun(ledger)
    assert first.config["architecture"] == "mlp"
    assert second.config == known
    assert third.config not in (first.config, second.config)
    assert len({plan.seed for plan in (first, second, third)}) == 3
    assert first.checkpoints == f"{study.artifacts}/digits/trial-0000"


def test_a_plan_is_no_trial_before_it_begins(opened: Open, store: Store, study: StudyRow) -> None:
    ledger = opened()
    plan = ledger.next_plan()
    assert plan is not None
    assert store.trials(study.id) == []
    ledger.begin(plan.number)
    assert [row.state for row in store.trials(study.id)] == ["RUNNING"]


def test_a_plan_that_is_handed_back_is_handed_out_again(opened: Open) -> None:
    ledger = opened()
    first, second = ledger.next_plan(), ledger.next_plan()
    assert first is not None
    assert second is not None
    ledger.hand_back(second.number)
    ledger.hand_back(first.number)
    assert [ledger.next_plan(), ledger.next_plan()] == [first, second]


def test_a_plan_that_never_begins_leaves_no_trial_and_nothing_running_in_optuna(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened()
    begun(ledger)
    assert ledger.next_plan() is not None
    ledger.record(0, accuracy(0.5), None)
    ledger.drain("Enough.")
    ledger.close()
    assert [row.number for row in store.trials(study.id)] == [0]
    assert [row.state.name for row in optuna_trials(store)] == ["PRUNED", "FAIL"]


def test_a_later_plan_may_begin_first_and_the_next_driver_fills_the_gap(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened()
    first, second = ledger.next_plan(), ledger.next_plan()
    assert first is not None
    assert second is not None
    ledger.begin(second.number)
    next_driver = opened()
    assert [begun(next_driver).number for _ in range(3)] == [1, 0, 2]
    assert trial(store, study).config == first.config


def test_every_trial_counts_and_no_more_are_planned_than_the_budget_allows(opened: Open) -> None:
    ledger = opened(budget=Budget(trials=2))
    assert [begun(ledger).number, begun(ledger).number] == [0, 1]
    assert ledger.next_plan() is None
    assert not ledger.finished
    for number in (0, 1):
        ledger.record(number, accuracy(0.5), None)
        ledger.end(number)
    assert ledger.finished


def test_the_same_seed_asks_for_the_same_configurations_with_and_without_a_restart(
    store: Store, spec: dict[str, object], tmp_path: Path
) -> None:
    configurations = []
    for name, stops in (("straight", []), ("again", []), ("restarted", [2, 10])):
        study = store.create_study(name, spec, seed=3)
        recipe, recorded = Curve(), []
        with Lease.acquire(store, study) as lease:
            for until in [*stops, 12]:
                ledger = open_ledger(store, lease, budget=Budget(trials=until), sampler="auto")
                InlineExecutor().run(recipe, ledger)
        recorded = [row.config for row in store.trials(study.id)]
        configurations.append(recorded)
    assert len(configurations[0]) == 12
    assert configurations[0] == configurations[1] == configurations[2]


# Limits


def test_the_target_stops_the_trial_that_reaches_it_and_the_sweep(opened: Open, store: Store, study: StudyRow) -> None:
    ledger = opened(budget=Budget(target=0.9))
    plan = begun(ledger)
    assert not ledger.record(plan.number, accuracy(0.9), None)
    assert ledger.aborted
    ledger.end(plan.number)
    ledger.close()
    assert (trial(store, study).state, trial(store, study).reason) == ("PRUNED", "The target was reached.")
    assert ledger.reason == "The target was reached."
    assert store.study("digits").state == "completed"


def test_a_target_reached_in_the_last_epoch_leaves_a_complete_trial(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(budget=Budget(target=0.9), epochs=1)
    plan = begun(ledger)
    ledger.record(plan.number, accuracy(0.95), None)
    assert ledger.aborted
    ledger.lost(plan.number)
    assert trial(store, study).state == "COMPLETE"


def test_patience_ends_the_search_and_survives_a_restart(opened: Open) -> None:
    budget = Budget(patience=2)
    ledger = opened(budget=budget)
    for number, value in enumerate((0.5, 0.7, 0.6)):
        begun(ledger)
        ledger.record(number, accuracy(value), None)
        ledger.end(number)
    assert not ledger.finished
    ledger = opened(budget=budget)
    assert not ledger.finished
    begun(ledger)
    ledger.end(3, error="ValueError")
    assert ledger.finished
    assert "has not improved" in ledger.reason


def test_the_deadline_starts_nothing_more_and_a_second_later_ends_what_runs(
    opened: Open, store: Store, study: StudyRow, clock: Clock
) -> None:
    ledger = opened(budget=Budget(seconds=60), deadline=1060, now=clock)
    begun(ledger)
    begun(ledger)
    ledger.record(0, accuracy(0.5), None)
    clock.time = 1060
    assert ledger.finished
    assert ledger.next_plan() is None
    assert not ledger.aborted
    clock.time = 1061
    assert ledger.aborted
    ledger.lost(0)
    ledger.lost(1)
    ledger.close()
    assert [(row.state, row.reason) for row in store.trials(study.id)] == [
        ("PRUNED", "The time budget ended."),
        ("FAIL", "The time budget ended. It had 61 s; give it more time, at least as much again."),
    ]


def test_without_a_record_a_trial_has_all_that_the_budget_may_be_overrun_by(
    opened: Open, store: Store, study: StudyRow, clock: Clock
) -> None:
    ledger = opened(budget=Budget(seconds=100), deadline=1100, now=clock)
    begun(ledger)
    clock.time = 1104.9
    assert ledger.next_plan() is None
    assert not ledger.aborted
    assert not ledger.record(0, accuracy(0.5), None)
    assert ledger.aborted
    ledger.lost(0)
    assert (trial(store, study).state, trial(store, study).value) == ("PRUNED", 0.5)


def test_a_trial_that_could_not_begin_before_the_deadline_begins_while_the_budget_may_be_overrun(
    opened: Open, store: Store, study: StudyRow, clock: Clock
) -> None:
    ledger = opened(budget=Budget(seconds=100), deadline=1100, now=clock)
    clock.time = 1104.9
    assert not ledger.finished
    plan = begun(ledger)
    assert ledger.next_plan() is None
    assert not ledger.record(plan.number, accuracy(0.5), None)
    ledger.end(plan.number)
    assert (trial(store, study).state, trial(store, study).value) == ("PRUNED", 0.5)


def test_when_nothing_could_begin_in_time_the_reason_says_what_to_do(opened: Open, store: Store, clock: Clock) -> None:
    ledger = opened(budget=Budget(seconds=100), deadline=1100, now=clock)
    clock.time = 1105
    assert ledger.finished
    assert ledger.reason == (
        "The time budget ended before a worker had started: give more time, or cluster='inline', which starts none."
    )
    ledger.close()
    assert store.study("digits").state == "failed"


def test_a_search_that_has_a_result_begins_nothing_after_the_deadline(opened: Open, clock: Clock) -> None:
    ledger = opened(epochs=1)
    ledger.record(begun(ledger).number, accuracy(0.5), None)
    ledger.end(0)
    ledger = opened(budget=Budget(seconds=100), deadline=1100, now=clock)
    clock.time = 1100
    assert ledger.finished
    assert ledger.next_plan() is None


def test_a_trial_that_reports_after_the_deadline_trains_no_further_epoch(opened: Open, clock: Clock) -> None:
    ledger = opened(deadline=1060, now=clock)
    plan = begun(ledger)
    clock.time = 1060
    assert not ledger.record(plan.number, accuracy(0.5), None)


def test_a_trial_that_has_all_its_epochs_and_still_reports_is_ended_with_the_sweep(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(epochs=1, budget=Budget(target=0.9))
    plan = begun(ledger)
    assert ledger.record(plan.number, accuracy(0.5, 1), None)
    assert not ledger.record(plan.number, accuracy(0.9, 2), None)
    ledger.end(plan.number)
    assert trial(store, study).state == "COMPLETE"


def test_a_resumed_trial_is_stopped_in_an_epoch_that_it_passes_again(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(epochs=3)
    plan = begun(ledger)
    ledger.record(plan.number, accuracy(0.5), None)
    ledger.lost(plan.number)
    begun(ledger)
    ledger.abort("It was cancelled.", state="stopped")
    assert not ledger.record(plan.number, accuracy(0.5), None)
    ledger.end(plan.number)
    assert (trial(store, study).state, trial(store, study).reason) == ("PRUNED", "It was cancelled.")


def test_a_trial_that_the_time_budget_ends_is_pruned_or_failed_without_a_record(
    opened: Open, store: Store, study: StudyRow, clock: Clock
) -> None:
    ledger = opened(deadline=1060, now=clock)
    begun(ledger)
    begun(ledger)
    ledger.record(0, accuracy(0.5), None)
    clock.time = 1060
    ledger.end(0)
    ledger.end(1)
    assert [(row.state, row.reason) for row in store.trials(study.id)] == [
        ("PRUNED", "The time budget ended."),
        (
            "FAIL",
            "The time budget ended before its first record. It had 60 s; give it more time, at least as much again.",
        ),
    ]


def test_nan_is_recorded_and_neither_a_gain_nor_a_target(opened: Open, store: Store, study: StudyRow) -> None:
    ledger = opened(budget=Budget(target=0.9, patience=1), epochs=2)
    plan = begun(ledger)
    assert ledger.record(plan.number, accuracy(math.nan), None)
    assert not ledger.finished
    ledger.end(plan.number)
    assert ledger.finished
    assert (trial(store, study).state, trial(store, study).value) == ("COMPLETE", None)


# A metric that is not there


def test_the_first_record_without_the_objective_ends_the_search_and_lists_what_there_is(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened()
    plan = begun(ledger)
    assert not ledger.record(plan.number, EpochRecord(1, {"accuracy": 0.5}), None)
    assert ledger.aborted
    ledger.end(plan.number)
    with pytest.raises(SettingError, match="has no such metric. It has: accuracy."):
        ledger.close()
    assert trial(store, study).state == "FAIL"
    assert store.study("digits").state == "failed"
    assert str(store.study("digits").problem).endswith("has no such metric. It has: accuracy.")


def test_a_later_trial_without_the_objective_fails_alone(opened: Open, store: Store, study: StudyRow) -> None:
    ledger = opened()
    begun(ledger)
    begun(ledger)
    ledger.record(0, accuracy(0.5), None)
    assert not ledger.record(1, EpochRecord(1, {"loss": 0.5}), None)
    ledger.end(1)
    assert not ledger.finished
    assert trial(store, study, 1).state == "FAIL"
    assert "no such metric. It has: loss." in (trial(store, study, 1).reason or "")


# Requests


@pytest.fixture
def ask(store: Store, study: StudyRow, clock: Clock) -> Callable[[str], Callable[[], str | None]]:
    """Adds a request, and lets a second pass; the function that is returned says what became of it."""

    def asks(verb: str) -> Callable[[], str | None]:
        key = requests.add(store, study, verb)
        clock.time += 1

        def outcome() -> str | None:
            row = requests.get(store, key)
            assert row is not None
            return row.outcome

        return outcome

    return asks


def test_pause_starts_no_new_trials_until_resume(
    opened: Open, store: Store, clock: Clock, ask: Callable[[str], Callable[[], str | None]]
) -> None:
    ledger = opened(now=clock)
    begun(ledger)
    paused = ask("pause")
    assert ledger.held
    assert ledger.next_plan() is None
    assert not ledger.finished
    assert ledger.record(0, accuracy(0.5), None)
    assert store.study("digits").state == "paused"
    assert paused() == "No new trials are started; those that run go on."
    ask("resume")
    assert not ledger.held
    assert store.study("digits").state == "running"
    assert ledger.next_plan() is not None


def test_stop_lets_trials_end_and_the_study_is_stopped(
    opened: Open, store: Store, study: StudyRow, clock: Clock, ask: Callable[[str], Callable[[], str | None]]
) -> None:
    ledger = opened(now=clock)
    begun(ledger)
    stopped = ask("stop")
    assert ledger.finished
    assert not ledger.aborted
    assert stopped() == "No new trials are started; the sweep ends with those that run."
    assert ledger.record(0, accuracy(0.5), None)
    ledger.end(0)
    late = ask("pause")
    assert ledger.finished
    assert late() == "The sweep is about to end."
    ledger.close()
    assert trial(store, study).state == "COMPLETE"
    assert store.study("digits").state == "stopped"


def test_cancel_ends_what_runs_with_what_it_reported(
    opened: Open, store: Store, study: StudyRow, clock: Clock, ask: Callable[[str], Callable[[], str | None]]
) -> None:
    ledger = opened(now=clock)
    begun(ledger)
    ledger.record(0, accuracy(0.5), None)
    ask("cancel")
    assert ledger.aborted
    ledger.close()
    row = trial(store, study)
    assert (row.state, row.value, row.reason) == ("PRUNED", 0.5, "It was cancelled.")
    assert store.study("digits").state == "stopped"


def test_requests_are_read_once_a_second_at_most(
    opened: Open, clock: Clock, ask: Callable[[str], Callable[[], str | None]]
) -> None:
    ledger = opened(now=clock)
    assert not ledger.held
    paused = ask("pause")
    clock.time -= 0.5
    assert not ledger.held
    assert paused() is None
    clock.time += 0.5
    assert ledger.held


# Restarts and ends


def test_the_next_driver_replays_records_and_ends_in_the_order_in_which_they_happened(opened: Open) -> None:
    first, second = StopsAt(1, 2), StopsAt(1, 2)
    ledger = opened(scheduler=first, epochs=3)
    begun(ledger)
    begun(ledger)
    ledger.record(1, accuracy(0.1, 1), None)
    ledger.record(0, accuracy(0.2, 1), None)
    ledger.record(0, accuracy(0.2, 2), None)
    ledger.record(1, accuracy(0.1, 2), None)
    ledger.end(1)
    ledger.record(0, accuracy(0.2, 3), None)
    ledger.end(0)
    opened(scheduler=second, epochs=3)
    assert second.seen == first.seen


def test_a_verdict_that_was_not_written_is_given_again(opened: Open, store: Store, lease: Lease) -> None:
    begun(opened())
    store.add_record(lease, 0, accuracy(0.5))  # and then the driver was killed
    opened(scheduler=StopsAt(0, 1))
    row = store.trial(lease.study.id, 0)
    assert (row.state, row.reason) == ("PRUNED", "The scheduler stopped it after epoch 1.")


def test_a_driver_that_fails_leaves_its_running_trials_to_the_next(opened: Open, store: Store, study: StudyRow) -> None:
    ledger = opened()
    begun(ledger)
    ledger.abandon(MemoryError())
    assert (trial(store, study).state, store.study("digits").state) == ("RUNNING", "failed")
    assert store.study("digits").problem == "MemoryError"
    assert begun(opened()).number == 0
    assert store.study("digits").problem is None


def test_a_driver_that_was_taken_over_stops_at_its_next_look(store: Store, study: StudyRow, clock: Clock) -> None:
    first = Lease.acquire(store, study, heartbeat=0.05)
    ledger = open_ledger(store, first, now=clock)
    begun(ledger)
    first.release()
    with Lease.acquire(store, study), pytest.raises(LeaseLostError):
        ledger.record(0, accuracy(0.5), None)
    clock.time += 1
    with pytest.raises(LeaseLostError, match="Another driver has taken study 'digits' over"):
        assert ledger.finished


def test_a_sweep_without_a_usable_trial_is_failed(opened: Open, store: Store) -> None:
    ledger = opened(budget=Budget(trials=1))
    begun(ledger)
    ledger.end(0, error="ValueError: no")
    ledger.close()
    assert store.study("digits").state == "failed"
    why = "1 of 1 failed: ValueError: no (1). The tracebacks are in study.trials."
    assert store.study("digits").problem == f"No trial of study 'digits' has a result: {why} {ledger.reason}"


# Checkpoints


@pytest.fixture
def folders(study: StudyRow) -> Callable[[], list[str]]:
    """The checkpoints that are there."""
    root = Path(study.artifacts)
    return lambda: sorted(str(file.parent.relative_to(root / "digits")) for file in root.rglob("epoch.txt"))


def written(plan: TrialPlan, epoch: int) -> str:
    folder = Path(plan.checkpoints or "", f"epoch-{epoch:04d}")
    folder.mkdir(parents=True)
    (folder / "epoch.txt").touch()
    return str(folder)


def test_a_running_trial_keeps_its_last_and_its_best_checkpoint(opened: Open, folders: Callable[[], list[str]]) -> None:
    ledger = opened(epochs=9)
    plan = begun(ledger)
    left = []
    for epoch, value in enumerate((0.5, 0.7, 0.6, 0.6, 0.8), start=1):
        ledger.record(plan.number, accuracy(value, epoch), written(plan, epoch))
        assert not ledger.aborted  # looks around, as executors do
        left.append([int(name[-4:]) for name in folders()])
    assert left == [[1], [2], [2, 3], [2, 4], [5]]


def test_the_best_checkpoint_is_kept_when_the_best_record_has_none(
    opened: Open, folders: Callable[[], list[str]]
) -> None:
    ledger = opened(epochs=9)
    plan = begun(ledger)
    ledger.record(plan.number, accuracy(0.8, 1), written(plan, 1))
    ledger.record(plan.number, accuracy(0.9, 2), None)
    ledger.record(plan.number, accuracy(0.1, 3), written(plan, 3))
    assert not ledger.aborted
    assert folders() == ["trial-0000/epoch-0001", "trial-0000/epoch-0003"]


def test_an_ended_trial_keeps_its_best_checkpoint_and_a_finished_sweep_those_of_the_best_and_of_the_default(
    opened: Open, store: Store, study: StudyRow, folders: Callable[[], list[str]]
) -> None:
    ledger = opened(budget=Budget(trials=4), keep=2)
    for number, value in enumerate((0.1, 0.6, 0.4, 0.5)):
        plan = begun(ledger)
        ledger.record(number, accuracy(value, 1), written(plan, 1))
        ledger.record(number, accuracy(0.0, 2), written(plan, 2))
        ledger.end(number)
    assert ledger.finished
    assert folders() == [f"trial-{number:04d}/epoch-0001" for number in range(4)]
    ledger.close()
    assert folders() == [f"trial-{number:04d}/epoch-0001" for number in (0, 1, 3)]
    assert [row.checkpoint is not None for row in store.trials(study.id)] == [True, True, False, True]


def test_a_checkpoint_of_an_epoch_that_was_recorded_before_is_not_kept(
    opened: Open, folders: Callable[[], list[str]]
) -> None:
    ledger = opened(epochs=3)
    plan = begun(ledger)
    ledger.record(plan.number, accuracy(0.5, 1), written(plan, 1))
    ledger.record(plan.number, accuracy(0.6, 2), written(plan, 2))
    ledger.lost(plan.number)
    begun(ledger)
    ledger.record(plan.number, accuracy(0.5, 1), written(plan, 1))
    ledger.record(plan.number, accuracy(0.6, 2), f"{plan.checkpoints}/epoch-0002")
    assert not ledger.aborted
    assert folders() == ["trial-0000/epoch-0002"]


# Optuna


def test_what_happens_together_is_answered_at_once_and_kept_at_the_end(
    opened: Open, store: Store, study: StudyRow
) -> None:
    ledger = opened(epochs=2, scheduler=StopsAt(0, 1))
    with ledger.together():
        plan = begun(ledger)
        assert not ledger.record(plan.number, accuracy(0.5), None)
        ledger.end(plan.number)
        assert begun(ledger).number == 1
        assert (store.trials(study.id), optuna_trials(store)) == ([], [])
    assert [row.state for row in store.trials(study.id)] == ["PRUNED", "RUNNING"]
    assert [row.state.name for row in optuna_trials(store)] == ["PRUNED", "RUNNING"]


def test_what_happened_before_an_error_is_kept(opened: Open, store: Store, study: StudyRow) -> None:
    ledger = opened()
    with contextlib.suppress(ArithmeticError), ledger.together():
        ledger.record(begun(ledger).number, accuracy(0.5), None)
        raise ArithmeticError
    assert trial(store, study).value == 0.5


def test_whoever_shows_the_sweep_hears_of_every_start_record_and_end(opened: Open) -> None:
    heard: list[str] = []

    class Ear:
        def gone_on_with(self, trials: object, best: object) -> None: ...

        def noted(self, text: str) -> None:
            heard.append(text)

        def started(self, number: int, config: object) -> None:
            heard.append(f"{number} starts")

        def recorded(self, number: int, record: EpochRecord) -> None:
            heard.append(f"{number} epoch {record.epoch}")

        def ended(self, number: int, state: str, reason: object) -> None:
            heard.append(f"{number} {state}")

    ledger = opened(watcher=Ear(), budget=Budget(trials=2), epochs=1)
    InlineExecutor().run(Curve(), ledger)
    assert heard == ["0 starts", "0 epoch 1", "0 COMPLETE", "1 starts", "1 epoch 1", "1 COMPLETE"]


@pytest.mark.row_part("SE9")
def test_a_trial_cut_off_before_its_first_record_runs_in_the_next_sweep_and_a_failed_one_when_asked(
    store: Store, lease: Lease, study: StudyRow
) -> None:
    clock = Clock()
    first = open_ledger(store, lease, deadline=1010.0, now=clock)
    broken, cut = begun(first), begun(first)
    first.record(broken.number, accuracy(0.5), None)
    first.end(broken.number, error="Traceback\nValueError: it broke")
    clock.time = 1012.0
    first.end(cut.number)
    first.close()
    assert store.trial(study.id, cut.number).reason == (
        "The time budget ended before its first record. It had 12 s; give it more time, at least as much again."
    )
    second = open_ledger(store, lease)
    again = begun(second)
    assert (again.number, again.config, again.seed) == (cut.number, cut.config, cut.seed)
    second.record(again.number, accuracy(0.7), None)
    second.record(again.number, accuracy(0.8, 2), None)
    second.end(again.number)
    assert store.trial(study.id, cut.number).state == "COMPLETE"
    assert store.trial(study.id, broken.number).state == "FAIL"
    second.close()
    third = open_ledger(store, lease, retry_failed=True)
    retried = begun(third)
    assert (retried.number, retried.config, retried.recorded) == (broken.number, broken.config, 1)
    third.record(retried.number, accuracy(0.9, 2), None)
    third.end(retried.number)
    rows = store.trials(study.id)
    assert [(row.state, row.epochs, row.attempts, row.reason, row.traceback) for row in rows[:2]] == [
        ("COMPLETE", 2, 2, None, None),
        ("COMPLETE", 2, 2, None, None),
    ]
    third.close()
    assert [theirs.value for theirs in optuna_trials(store)] == [None, None, 0.8, 0.9]
