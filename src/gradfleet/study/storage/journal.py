"""What is written about trials: each function is the inside of one fenced transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Update, insert, select, update

from gradfleet.errors import StoreError
from gradfleet.study.origin import Origin
from gradfleet.study.storage import addresses
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
    connection.execute(insert(trials).values(study_id=study.id, **row))


def add_attempt(connection: Connection, study: StudyRow, number: int) -> None:
    connection.execute(_running(study, number).values(attempts=trials.c.attempts + 1))


def add_record(
    connection: Connection, study: StudyRow, number: int, record: EpochRecord, checkpoint: str | None
) -> bool:
    """Keep a record, and on the trial's row what is best now; False when the epoch is there or the trial has ended."""
    trial = _trial(connection, study, number)
    if trial is None or trial.state != "RUNNING" or _metrics(connection, study, number, record.epoch) is not None:
        return False
    address = addresses.kept(checkpoint, study.artifacts, addresses.ARTIFACTS)
    row = {"epoch": record.epoch, "metrics": record.metrics, "checkpoint": address, "time": time.time()}
    connection.execute(insert(records).values(study_id=study.id, number=number, **row))
    changes: dict[str, Any] = {"epochs": max(trial.epochs, record.epoch)}
    if _is_best(connection, study, trial, record):
        value = study.objective.value(record.metrics)
        changes |= {"value": value, "best_epoch": record.epoch, "checkpoint": address}
    connection.execute(_running(study, number).values(changes))
    return True


def note_stop(connection: Connection, study: StudyRow, number: int, state: TrialState, reason: str) -> None:
    connection.execute(_running(study, number).values(stopping=state, reason=reason))


def reopen(connection: Connection, study: StudyRow, number: int, *, optuna_number: int, generation: int) -> None:
    """A failed trial runs again, under another number of Optuna's, with the records that it has."""
    again: dict[str, Any] = {"optuna_number": optuna_number, "generation": generation, "state": "RUNNING"}
    again |= dict.fromkeys(("stopping", "reason", "traceback", "ended"))
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
    return connection.execute(_running(study, number).values(values)).rowcount == 1


def forget_checkpoints(connection: Connection, study: StudyRow, gone: Sequence[str]) -> None:
    known = addresses.kept(list(gone), study.artifacts, addresses.ARTIFACTS)
    for start in range(0, len(known), _BATCH):
        for table in (records, trials):
            lost = table.c.checkpoint.in_(known[start : start + _BATCH])
            connection.execute(update(table).where(table.c.study_id == study.id, lost).values(checkpoint=None))


def _running(study: StudyRow, number: int) -> Update:
    return update(trials).where(trials.c.study_id == study.id, trials.c.number == number, trials.c.state == "RUNNING")


def _trial(connection: Connection, study: StudyRow, number: int) -> Row[Any] | None:
    query = select(trials).where(trials.c.study_id == study.id, trials.c.number == number)
    return connection.execute(query).first()


def _metrics(connection: Connection, study: StudyRow, number: int, epoch: int) -> dict[str, float] | None:
    key = (records.c.study_id == study.id, records.c.number == number, records.c.epoch == epoch)
    found: dict[str, float] | None = connection.execute(select(records.c.metrics).where(*key)).scalar()
    return found


def _is_best(connection: Connection, study: StudyRow, trial: Row[Any], record: EpochRecord) -> bool:
    objective = study.objective
    if not objective.better(record.metrics.get(objective.metric, float("nan")), than=None):
        return False
    if trial.best_epoch is None:
        return True
    so_far = _metrics(connection, study, trial.number, trial.best_epoch)
    assert so_far is not None, "a best epoch has a record"
    return objective.rank(record.metrics) < objective.rank(so_far)
