"""What happened in a study, told again in order."""

from __future__ import annotations

from gradfleet.study.driving.chronicle import chronicle
from gradfleet.study.storage.rows import RecordRow, TrialRow


def record(number: int, epoch: int, time: float) -> RecordRow:
    return RecordRow(number=number, epoch=epoch, metrics={}, checkpoint=None, time=time)


def trial(number: int, *, epochs: int, ended: float | None) -> TrialRow:
    return TrialRow(
        number=number,
        config={},
        seed=0,
        state="RUNNING" if ended is None else "COMPLETE",
        value=None,
        reason=None,
        traceback=None,
        attempts=1,
        started=0.0,
        ended=ended,
        epochs=epochs,
        best_epoch=None,
        checkpoint=None,
        stopping=None,
        generation=0,
        optuna_number=number,
    )


def told(trials: list[TrialRow], records: list[RecordRow]) -> list[str]:
    return [
        f"{event.number} epoch {event.epoch}" if isinstance(event, RecordRow) else f"{event.number} ends"
        for event in chronicle(trials, records)
    ]


def test_records_and_ends_of_all_trials_come_by_time() -> None:
    trials = [trial(0, epochs=2, ended=5.0), trial(1, epochs=1, ended=3.0), trial(2, epochs=1, ended=None)]
    records = [record(0, 1, 1.0), record(0, 2, 4.0), record(1, 1, 2.0), record(2, 1, 6.0)]
    assert told(trials, records) == ["0 epoch 1", "1 epoch 1", "1 ends", "0 epoch 2", "0 ends", "2 epoch 1"]


def test_a_clock_that_was_set_back_does_not_turn_a_trial_around() -> None:
    trials = [trial(0, epochs=3, ended=1.0)]
    records = [record(0, 1, 9.0), record(0, 2, 3.0), record(0, 3, 9.0)]
    assert told(trials, records) == ["0 epoch 1", "0 epoch 2", "0 epoch 3", "0 ends"]


def test_a_trial_that_never_recorded_only_ends() -> None:
    assert told([trial(0, epochs=0, ended=1.0)], []) == ["0 ends"]
