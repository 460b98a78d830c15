"""Which trial is better: the best record of each, and the one order in which everything ranks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas

from gradfleet.objective import Objective
from gradfleet.study.rows import RecordRow, TrialRow

_COLUMNS = ("trial", "value", "state", "best_epoch", "epochs", "seconds", "reason", "starred", "note")


def ranked(
    trials: Iterable[TrialRow], records: Iterable[RecordRow], objective: Objective
) -> list[tuple[int, RecordRow]]:
    """The trials that may be best, best first, each with its best record.

    These are COMPLETE and PRUNED ones with a number for the objective. Equal values are told apart by `val_loss`, then
    by the lower trial number.

    Args:
        records: the best record of each trial; others do no harm.
    """
    best_epochs = {
        trial.number: trial.best_epoch
        for trial in trials
        if trial.state in ("COMPLETE", "PRUNED") and trial.value is not None
    }
    best = {record.number: record for record in records if best_epochs.get(record.number) == record.epoch}
    return sorted(best.items(), key=lambda item: (objective.rank(item[1].metrics), item[0]))


def leaderboard(
    trials: Sequence[TrialRow], records: Iterable[RecordRow], objective: Objective, *, now: float
) -> pandas.DataFrame:
    """One row a trial: the ranked ones, then those that run, then those without a usable result.

    Args:
        now: Unix time; ends the seconds of trials that run.
    """
    places = {number: place for place, (number, _) in enumerate(ranked(trials, records, objective))}
    ordered = sorted(
        trials, key=lambda trial: (places.get(trial.number, len(places)), trial.state != "RUNNING", trial.number)
    )
    names = dict.fromkeys(name for trial in ordered for name in trial.config)
    columns = {name: f"config.{name}" if name in _COLUMNS else name for name in names}
    rows = [_row(trial, columns, now=now) for trial in ordered]
    frame = pandas.DataFrame(rows, columns=[*_COLUMNS, *columns.values()])
    return frame.astype({"value": "float64", "best_epoch": "Int64", "seconds": "float64"})


def most_frequent_cause(trials: Iterable[TrialRow]) -> tuple[str, int] | None:
    """Why most of the failed trials failed, and how many of them; None when none did."""
    causes = Counter(cause(trial) for trial in trials if trial.state == "FAIL")
    return causes.most_common(1)[0] if causes else None


def cause(trial: TrialRow) -> str:
    """One line on why a trial failed: its reason, else the last line of its traceback."""
    lines = (trial.traceback or "").strip().splitlines()
    return trial.reason or (lines[-1].strip() if lines else "no reason was recorded")


def _row(trial: TrialRow, columns: Mapping[str, str], *, now: float) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "value": trial.value,
        "state": trial.state,
        "best_epoch": trial.best_epoch,
        "epochs": trial.epochs,
        "seconds": (trial.ended if trial.ended is not None else now) - trial.started,
        "reason": trial.reason,
        "starred": trial.starred,
        "note": trial.note,
        **{column: trial.config.get(name) for name, column in columns.items()},
    }
