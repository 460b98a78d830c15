"""What is written about trials: each function is the inside of one fenced transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    insert,
    select,
    update,
)

from gradfleet.errors import StoreError
from gradfleet.study.origin import Origin
from gradfleet.study.storage import addresses
from gradfleet.study.storage.revisions import next_revision
from gradfleet.study.storage.rows import StudyRow, TrialState
from gradfleet.study.storage.tables import records, trials
from gradfleet.training.history import EpochRecord

if TYPE_CHECKING:
    from gradfleet.trials.plan import Config

_BATCH = 500  # SQLite of old takes 999 bound values a statement


def add_trial(
    connection: Connection,
    study: StudyRow,
    number: int,
    config: Config,
    *,
    seed: int,
    optuna_number: int,
    generation: int,
    origin: Origin | None = None,
) -> None:
    """Begin a trial; once more with the same Optuna number changes nothing."""
    present = _trial(connection, study, number)
    if present is not None:
        if (present.generation, present.optuna_number) == (generation, optuna_number):
            return
        raise StoreError(f"Study {study.name!r} has a trial {number} already.")
    row = {"number": number, "generation": generation, "optuna_number": optuna_number, "config": dict(config)}
    row |= {"seed": seed, "state": "RUNNING", "attempts": 1, "epochs": 0, "started": time.time()}
    if origin is not None:
        row["origin"] = origin.to_json()
    revision = next_revision(connection, study.id)
    connection.execute(insert(trials).values(study_id=study.id, revision=revision, **row))


def add_attempt(connection: Connection, study: StudyRow, number: int) -> None:
    _change_running(connection, study, number, attempts=trials.c.attempts + 1)


def add_record(
    connection: Connection, study: StudyRow, number: int, record: EpochRecord, checkpoint: str | None
) -> bool:
    """Keep a record, and on the trial's row what is best now; False when the epoch is there or the trial has ended."""
    key = {"study": study.id, "number": number, "epoch": record.epoch}
    trial = connection.execute(_STANDING, key).first()
    if trial is None or trial.state != "RUNNING" or trial.recorded is not None:
        return False
    address = addresses.kept(checkpoint, study.artifacts, addresses.ARTIFACTS)
    row = {"epoch": record.epoch, "metrics": record.metrics, "checkpoint": address, "time": time.time()}
    revision = next_revision(connection, study.id)
    connection.execute(insert(records).values(study_id=study.id, number=number, **row))
    changes: dict[str, Any] = {"epochs": max(trial.epochs, record.epoch), "revision": revision}
    if _is_best(study, record, so_far=trial.metrics):
        value = study.objective.value(record.metrics)
        changes |= {"value": value, "best_epoch": record.epoch, "checkpoint": address}
    connection.execute(_running(study, number).values(changes))
    return True


def note_stop(connection: Connection, study: StudyRow, number: int, state: TrialState, reason: str) -> None:
    _change_running(connection, study, number, stopping=state, reason=reason)


def reopen(connection: Connection, study: StudyRow, number: int, *, optuna_number: int, generation: int) -> None:
    """A failed trial runs again, under another number of Optuna's, with the records that it has."""
    again: dict[str, Any] = {"optuna_number": optuna_number, "generation": generation, "state": "RUNNING"}
    again |= dict.fromkeys(("stopping", "reason", "traceback", "ended"))
    again["revision"] = next_revision(connection, study.id)
    failed = (trials.c.study_id == study.id, trials.c.number == number, trials.c.state == "FAIL")
    connection.execute(update(trials).where(*failed).values(again))


def end_trial(
    connection: Connection,
    study: StudyRow,
    number: int,
    state: TrialState,
    *,
    reason: str | None,
    traceback: str | None,
) -> bool:
    """Give a running trial its final state; False when it has one."""
    values: dict[str, Any] = {"state": state, "traceback": traceback, "ended": time.time()}
    if reason is not None:
        values["reason"] = reason
    return _change_running(connection, study, number, **values)


def forget_checkpoints(connection: Connection, study: StudyRow, gone: Sequence[str]) -> None:
    known = addresses.kept(list(gone), study.artifacts, addresses.ARTIFACTS)
    revision = next_revision(connection, study.id)
    for start in range(0, len(known), _BATCH):
        for table, changes in ((records, {}), (trials, {"revision": revision})):
            lost = table.c.checkpoint.in_(known[start : start + _BATCH])
            values = {"checkpoint": None, **changes}
            connection.execute(update(table).where(table.c.study_id == study.id, lost).values(values))


def _change_running(connection: Connection, study: StudyRow, number: int, **values: Any) -> bool:
    revision = next_revision(connection, study.id)
    return connection.execute(_running(study, number).values(**values, revision=revision)).rowcount == 1


def _running(study: StudyRow, number: int) -> Update:
    return update(trials).where(trials.c.study_id == study.id, trials.c.number == number, trials.c.state == "RUNNING")


def _trial(connection: Connection, study: StudyRow, number: int) -> Row[Any] | None:
    query = select(trials).where(trials.c.study_id == study.id, trials.c.number == number)
    return connection.execute(query).first()


def _is_best(study: StudyRow, record: EpochRecord, *, so_far: dict[str, float] | None) -> bool:
    objective = study.objective
    if not objective.better(record.metrics.get(objective.metric, float("nan")), than=None):
        return False
    return so_far is None or objective.rank(record.metrics) < objective.rank(so_far)


def _standing() -> Select[Any]:
    """Where a trial is: whether it has a record of this epoch, and the metrics of its best one."""
    here, best = records.alias(), records.alias()

    def of_trial(record: FromClause, epoch: ColumnElement[int]) -> ColumnElement[bool]:
        mine = and_(record.c.study_id == trials.c.study_id, record.c.number == trials.c.number)
        return and_(mine, record.c.epoch == epoch)

    rows = trials.outerjoin(here, of_trial(here, bindparam("epoch"))).outerjoin(
        best, of_trial(best, trials.c.best_epoch)
    )
    found = select(trials.c.state, trials.c.epochs, here.c.epoch.label("recorded"), best.c.metrics)
    mine = (trials.c.study_id == bindparam("study"), trials.c.number == bindparam("number"))
    return found.select_from(rows).where(*mine)


_STANDING = _standing()  # made once: to make a statement takes longer than SQLite does to answer it
