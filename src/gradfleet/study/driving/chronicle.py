"""What has happened in a study, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterable

from gradfleet.study.storage.rows import RecordRow, TrialRow


def chronicle(trials: Iterable[TrialRow], records: Iterable[RecordRow]) -> list[RecordRow | TrialRow]:
    """Every record and, as its trial, every end, by time; a trial's own keep their order when a clock was set back.

    Args:
        records: by trial number and epoch.
    """
    latest: dict[int, float] = {}
    events: list[tuple[float, int, RecordRow | TrialRow]] = []
    for record in records:
        latest[record.number] = max(record.time, latest.get(record.number, record.time))
        events.append((latest[record.number], record.epoch, record))
    events += [
        (max(trial.ended, latest.get(trial.number, trial.ended)), trial.epochs + 1, trial)
        for trial in trials
        if trial.ended is not None
    ]
    return [event for *_, event in sorted(events, key=lambda event: event[:2])]
