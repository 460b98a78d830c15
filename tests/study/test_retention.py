"""Which checkpoints may go, and which somebody still needs."""

from __future__ import annotations

import math
import random

import pytest

from gradfleet.objective import Objective
from gradfleet.study.retention import disposable
from gradfleet.study.storage.rows import RecordRow, TrialRow, TrialState

OBJECTIVE = Objective("val_accuracy", "max")


def trial(number: int, state: TrialState, values: list[float], *, without: tuple[int, ...] = ()) -> TrialRow:
    """A trial as the store keeps it; its epochs of `without` have no checkpoint."""
    numbers = [value for value in values if not math.isnan(value)]
    best = 1 + values.index(max(numbers)) if numbers else None
    return TrialRow(
        number=number,
        generation=0,
        optuna_number=number,
        config={},
        seed=0,
        state=state,
        stopping=None,
        reason=None,
        traceback=None,
        attempts=1,
        started=0.0,
        ended=None if state == "RUNNING" else 1.0,
        epochs=len(values),
        value=max(numbers, default=None),
        best_epoch=best,
        checkpoint=None if best is None or best in without else f"{number}/{best}",
    )


def records(number: int, values: list[float], *, without: tuple[int, ...] = ()) -> list[RecordRow]:
    return [
        RecordRow(number, epoch, {"val_accuracy": value}, None if epoch in without else f"{number}/{epoch}", 0.0)
        for epoch, value in enumerate(values, start=1)
    ]


def test_a_running_trial_keeps_its_last_and_its_best() -> None:
    values = [0.1, 0.9, 0.3, 0.4]
    assert disposable([trial(0, "RUNNING", values)], records(0, values), OBJECTIVE) == ["0/1", "0/3"]


def test_a_running_trial_keeps_what_it_would_go_on_from_though_a_later_record_has_none() -> None:
    values = [0.9, 0.2, 0.3, 0.4]
    row = trial(0, "RUNNING", values, without=(4,))
    assert disposable([row], records(0, values, without=(4,)), OBJECTIVE, keep=1) == ["0/2"]


@pytest.mark.parametrize("state", ["COMPLETE", "PRUNED", "FAIL"])
def test_an_ended_trial_keeps_its_best(state: TrialState) -> None:
    values = [0.1, 0.9, 0.3]
    assert disposable([trial(1, state, values)], records(1, values), OBJECTIVE) == ["1/1", "1/3"]


def test_when_the_best_record_has_none_the_next_best_checkpoint_stays() -> None:
    values = [0.1, 0.9, 0.8]
    row = trial(0, "COMPLETE", values, without=(2,))
    assert disposable([row], records(0, values, without=(2,)), OBJECTIVE) == ["0/1"]


def test_after_the_sweep_the_best_and_the_default_configuration_stay() -> None:
    trials = [trial(number, "COMPLETE", [number / 10]) for number in range(8)]
    rows = [row for number in range(8) for row in records(number, [number / 10])]
    assert disposable(trials, rows, OBJECTIVE, keep=3) == ["1/1", "2/1", "3/1", "4/1"]


def test_after_the_sweep_a_failed_trial_keeps_none_however_good_it_was() -> None:
    trials = [trial(0, "COMPLETE", [0.1]), trial(1, "FAIL", [0.9]), trial(2, "PRUNED", [0.5])]
    rows = [*records(0, [0.1]), *records(1, [0.9]), *records(2, [0.5])]
    assert disposable(trials, rows, OBJECTIVE, keep=5) == ["1/1"]


def test_a_folder_that_two_records_share_stays_while_one_needs_it() -> None:
    shared = [RecordRow(0, epoch, {"val_accuracy": 1.0 - epoch / 10}, "best", 0.0) for epoch in (1, 2)]
    row = trial(0, "COMPLETE", [0.9, 0.8])
    assert disposable([row], shared, OBJECTIVE) == []


def test_records_without_a_number_never_keep_a_checkpoint_from_one_with() -> None:
    values = [math.nan, 0.2, math.nan]
    assert disposable([trial(0, "COMPLETE", values)], records(0, values), OBJECTIVE) == ["0/1", "0/3"]


def test_nothing_needed_is_ever_among_them() -> None:
    chance = random.Random(0)
    for _ in range(200):
        states = [chance.choice(["RUNNING", "COMPLETE", "PRUNED", "FAIL"]) for _ in range(6)]
        values = [[chance.random() for _ in range(chance.randint(0, 4))] for _ in states]
        trials = [trial(number, state, values[number]) for number, state in enumerate(states)]  # type: ignore[arg-type]
        rows = [row for number in range(6) for row in records(number, values[number])]
        for keep in (None, 1, 5):
            gone = set(disposable(trials, rows, OBJECTIVE, keep=keep))
            running = [row for row in trials if row.state == "RUNNING" and row.epochs]
            usable = [row for row in trials if row.state in ("COMPLETE", "PRUNED") and row.value is not None]
            needed = {f"{row.number}/{row.epochs}" for row in running} | {row.checkpoint for row in running}
            needed |= {max(usable, key=lambda row: row.value or 0).checkpoint} if usable else set()
            assert not gone & needed
