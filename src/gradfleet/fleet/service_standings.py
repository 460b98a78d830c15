"""The leaderboard of a service's sweep as the object that a study gives."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from gradfleet.goal import Aim
from gradfleet.study.ranking import Ranking
from gradfleet.study.standings import Standings
from gradfleet.study.storage.rows import RecordRow, StudyState, TrialRow


def standings(name: str, state: StudyState, objective: Aim, rows: Iterable[Mapping[str, Any]]) -> Standings:
    """The trials of a sweep in the order of its leaderboard.

    Args:
        rows: all of its leaderboard, as the service says it.
    """
    said = list(rows)
    records = {row["trial"]: _record(row) for row in said if row["best_epoch"] is not None}
    ranking = Ranking(objective).changed([_trial(row) for row in said], records)
    return Standings(name, state, ranking, ranking.listed, time.time())


def _trial(row: Mapping[str, Any]) -> TrialRow:
    """What a leaderboard tells of a trial; nothing is made of the rest."""
    same = ("state", "reason", "epochs", "value", "best_epoch", "checkpoint", "starred", "note", "config")
    return TrialRow(
        **{name: row[name] for name in same},
        number=row["trial"],
        started=0.0,
        ended=row["seconds"],
        generation=0,
        optuna_number=row["trial"],
        seed=0,
        stopping=None,
        traceback=None,
        attempts=1,
    )


def _record(row: Mapping[str, Any]) -> RecordRow:
    # JSON has no NaN, so a metric that is no number came as null.
    metrics = {name: math.nan if value is None else value for name, value in row["metrics"].items()}
    return RecordRow(row["trial"], row["best_epoch"], metrics, row["checkpoint"], 0.0)
