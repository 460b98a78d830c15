"""The leaderboard of a service's sweep as the object that a study gives."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gradfleet.goal import aim_from_json
from gradfleet.study.ranking import Ranking
from gradfleet.study.standings import Standings
from gradfleet.study.storage.rows import RecordRow, TrialRow


@dataclass(frozen=True)
class PartOfRanking(Ranking):
    """The ranking of a sweep of whose trials some came: what all of them decide, the service has said.

    Attributes:
        best: the number of the best trial, whether or not it came.
        named: every name in a configuration.
        on_front: which of these trials are on the front.
    """

    best: int | None = None
    named: Sequence[str] = ()
    on_front: Sequence[int] = ()

    @cached_property
    def usable(self) -> Sequence[int]:
        mine = sorted(self._keys, key=self._keys.__getitem__)
        return mine if self.best is None else [self.best, *(number for number in mine if number != self.best)]

    @cached_property
    def front(self) -> Sequence[int]:
        return self.on_front

    @cached_property
    def dimensions(self) -> Sequence[str]:
        return self.named


def standings(said: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Standings:
    """The trials of a sweep that came, in the order in which they did.

    Args:
        said: a page of its leaderboard, as the service gives it.
        rows: of this page and those before it.
    """
    told = list(rows)
    records = {row["trial"]: _record(row) for row in told if row["best_epoch"] is not None}
    on_front = [row["trial"] for row in told if "front" in row["mark"]]
    nothing = PartOfRanking(aim_from_json(said["goal"]), best=said["best"], named=said["dimensions"], on_front=on_front)
    ranking = nothing.changed([_trial(row) for row in told], records)
    return Standings(said["sweep"], said["state"], ranking, [row["trial"] for row in told], time.time())


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
