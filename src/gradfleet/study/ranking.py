"""Which trial is better: the best record of each, and the one order in which everything ranks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas

from gradfleet.goal import SPREAD, Aim, Goal
from gradfleet.study.front import undominated
from gradfleet.study.storage.rows import RecordRow, TrialRow

_COLUMNS = ("trial", "value", "state", "best_epoch", "epochs", "seconds", "reason", "starred", "note")


def ranked(trials: Iterable[TrialRow], records: Iterable[RecordRow], objective: Aim) -> list[tuple[int, RecordRow]]:
    """The trials that may be best, best first, each with its best record.

    These are COMPLETE and PRUNED ones with a number for the objective; with several objectives the first decides, and
    those that break a constraint come last. Equal values are told apart by `val_loss`, then by the lower trial number.

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


def front(ranking: Sequence[tuple[int, RecordRow]], objective: Aim) -> list[int]:
    """The numbers of the ranked trials that no other beats in every objective, best of the first objective first.

    Trials that break a constraint, or were stopped before the last of their runs, are not among them.
    """
    usable = {number: record.metrics for number, record in ranking if objective.final(record.metrics)}
    found = set(undominated({number: objective.losses(metrics) for number, metrics in usable.items()}))
    return [number for number in usable if number in found]


def leaderboard(
    trials: Sequence[TrialRow], records: Iterable[RecordRow], objective: Aim, *, now: float
) -> pandas.DataFrame:
    """One row a trial: the ranked ones, then those that run, then those without a usable result.

    Args:
        records: the best record of each trial; others do no harm.
        now: Unix time; ends the seconds of trials that run.
    """
    ranking = ranked(trials, records, objective)
    places = {number: place for place, (number, _) in enumerate(ranking)}
    details = _details(ranking, objective)
    ordered = sorted(
        trials, key=lambda trial: (places.get(trial.number, len(places)), trial.state != "RUNNING", trial.number)
    )
    names = dict.fromkeys(name for trial in ordered for name in trial.config)
    own = [*_COLUMNS, *dict.fromkeys(name for detail in details.values() for name in detail)]
    columns = {name: f"config.{name}" if name in own else name for name in names}
    rows = [_row(trial, columns, now=now) | details.get(trial.number, {}) for trial in ordered]
    frame = pandas.DataFrame(rows, columns=[*own, *columns.values()])
    return frame.astype({"value": "float64", "best_epoch": "Int64", "seconds": "float64"})


def _details(ranking: Sequence[tuple[int, RecordRow]], objective: Aim) -> dict[int, dict[str, Any]]:
    """What a goal shows of each ranked trial beside its value: other metrics, how runs vary, feasible, front."""
    if not isinstance(objective, Goal):
        return {}
    others = [name for name in objective.metrics if name != objective.metric]
    on_front = set(front(ranking, objective))
    spread = [f"{objective.metric}_{name}" for name in SPREAD] if objective.num_runs > 1 else []
    return {
        number: {name: record.metrics.get(name) for name in (*others, *spread)}
        | ({"feasible": not objective.violation(record.metrics)} if objective.constraints else {})
        | ({"front": number in on_front} if len(objective.objectives) > 1 else {})
        for number, record in ranking
    }


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
