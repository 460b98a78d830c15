"""Optuna's own tables, written by statement: what its storage does in a dozen queries a trial, in one transaction.

Its `RDBStorage` reads each row before it writes it and commits by itself, so that its writes cost as much as all else
of a trial and could not be held behind a lease. Opening one checks that the tables are of the version known here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Row, Select, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

_trials: Table = models.TrialModel.__table__
_params: Table = models.TrialParamModel.__table__
_values: Table = models.TrialValueModel.__table__
_steps: Table = models.TrialIntermediateValueModel.__table__
_trial_notes: Table = models.TrialSystemAttributeModel.__table__
_trial_marks: Table = models.TrialUserAttributeModel.__table__
_study_notes: Table = models.StudySystemAttributeModel.__table__


def newest(connection: Connection, study_id: int) -> Row[Any] | None:
    """The trial that was added last, as `trial_id`, `number` and `datetime_start`."""
    query: Select[Any] = select(_trials.c.trial_id, _trials.c.number, _trials.c.datetime_start)
    of_study = query.where(_trials.c.study_id == study_id)
    return connection.execute(of_study.order_by(_trials.c.trial_id.desc()).limit(1)).first()


def is_same(row: Row[Any], trial: FrozenTrial) -> bool:
    """Whether the row is this trial's, and not another program's of the same number."""
    return (row.number, row.datetime_start) == (trial.number, _utc(trial.datetime_start))


def add_trial(connection: Connection, study_id: int, trial: FrozenTrial) -> int:
    """A running trial with all that is known of it; the key of its row."""
    row = {"study_id": study_id, "number": trial.number, "state": TrialState.RUNNING}
    added = connection.execute(insert(_trials).values(**row, datetime_start=_utc(trial.datetime_start)))
    assert added.inserted_primary_key is not None, "one row was inserted"
    trial_id = int(added.inserted_primary_key[0])
    _add_params(connection, trial_id, trial, trial.params)
    _note(connection, _trial_notes, {"trial_id": trial_id}, trial.system_attrs)
    _note(connection, _trial_marks, {"trial_id": trial_id}, trial.user_attrs)
    return trial_id


def change_trial(connection: Connection, trial_id: int, before: FrozenTrial, now: FrozenTrial) -> None:
    """Write what a trial has gained since `before`. Again changes nothing."""
    _add_params(connection, trial_id, now, now.params.keys() - before.params.keys())
    gained = {key: value for key, value in now.system_attrs.items() if before.system_attrs.get(key) != value}
    _note(connection, _trial_notes, {"trial_id": trial_id}, gained)
    steps = now.intermediate_values.keys() - before.intermediate_values.keys()
    _insert_new(connection, _steps, [_step(trial_id, step, now.intermediate_values[step]) for step in sorted(steps)])
    if now.state.is_finished():
        _insert_new(connection, _values, [_value(trial_id, *one) for one in enumerate(now.values or ())])
        running = (_trials.c.trial_id == trial_id, _trials.c.state == TrialState.RUNNING)
        ended = update(_trials).where(*running).values(state=now.state, datetime_complete=_utc(now.datetime_complete))
        connection.execute(ended)


def note_study(connection: Connection, study_id: int, notes: Mapping[str, Any]) -> None:
    """What a sampler keeps for all of its trials."""
    _note(connection, _study_notes, {"study_id": study_id}, notes)


def _add_params(connection: Connection, trial_id: int, trial: FrozenTrial, names: Iterable[str]) -> None:
    rows = [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": trial.distributions[name].to_internal_repr(trial.params[name]),
            "distribution_json": distribution_to_json(trial.distributions[name]),
        }
        for name in names
    ]
    _insert_new(connection, _params, rows)


def _step(trial_id: int, step: int, number: float) -> dict[str, Any]:
    value, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(number)
    return {"trial_id": trial_id, "step": step, "intermediate_value": value, "intermediate_value_type": kind}


def _value(trial_id: int, objective: int, number: float) -> dict[str, Any]:
    value, kind = models.TrialValueModel.value_to_stored_repr(number)
    return {"trial_id": trial_id, "objective": objective, "value": value, "value_type": kind}


def _note(connection: Connection, table: Table, owner: Mapping[str, int], notes: Mapping[str, Any]) -> None:
    rows = [{**owner, "key": key, "value_json": json.dumps(value)} for key, value in notes.items()]
    if rows:
        statement = _dialect(connection).insert(table)
        changed = {"value_json": statement.excluded.value_json}
        connection.execute(statement.on_conflict_do_update(index_elements=[*owner, "key"], set_=changed), rows)


def _insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows that a commit whose answer was lost has brought there already stay as they are."""
    if rows:
        connection.execute(_dialect(connection).insert(table).on_conflict_do_nothing(), list(rows))


def _dialect(connection: Connection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite


def _utc(moment: datetime | None) -> datetime | None:
    """As Optuna stores local time: in UTC, and without saying so."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
