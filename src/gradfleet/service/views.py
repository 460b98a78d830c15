"""What there is to see, as documents: JSON routes and pages call these same functions.

Each takes the service and says what it raises; none knows of HTTP.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from gradfleet.errors import NotFoundError, NoUsableTrialError
from gradfleet.goal import Aim, Goal
from gradfleet.search.space import SearchSpace
from gradfleet.service import documents, submissions
from gradfleet.service.documents import plain
from gradfleet.service.service import Service
from gradfleet.service.submissions import Submission
from gradfleet.study.storage import overview
from gradfleet.study.storage.overview import EMPTY, Tally
from gradfleet.study.storage.rows import StudyRow, StudyState, TrialRow, TrialState
from gradfleet.study.study import Study
from gradfleet.tasks import available_tasks, task_summary

T = TypeVar("T")


def tasks() -> list[documents.Task]:
    """The kinds of problem that are installed."""
    return [documents.Task(name=name, summary=task_summary(name)) for name in available_tasks()]


def sweeps(
    service: Service, *, state: StudyState | None = None, name: str = "", limit: int = 50, offset: int = 0
) -> documents.Page[documents.SweepSummary]:
    """The sweeps of the store, the newest first.

    Args:
        state: only these.
        name: only those whose name has this in it.
    """
    asked = {one.name: one for one in submissions.listed(service.store)}
    studies = {study.name: study for study in service.store.studies()}
    both: list[StudyRow | Submission] = [*studies.values(), *(one for one in asked.values() if one.name not in studies)]
    found = [
        one
        for one in sorted(both, key=lambda one: one.created, reverse=True)
        if name.lower() in one.name.lower() and state in (None, _state(studies.get(one.name), asked.get(one.name)))
    ]
    tallies = overview.tallies(service.store)
    shown = [
        _summary(service, studies.get(one.name), asked.get(one.name), tallies) for one in found[offset : offset + limit]
    ]
    return page(shown, total=len(found), offset=offset)


def sweep(service: Service, name: str) -> documents.SweepDetail:
    """One sweep.

    Raises:
        NotFoundError: there is none of that name.
    """
    short = summary(service, name)
    if short.objective is None:
        return documents.SweepDetail(**short.model_dump(), store=service.store.url)
    study = service.store.study(name)
    tally = overview.tallies(service.store, study=study).get(study.id, EMPTY)
    search = study.spec.get("search", {})
    space = SearchSpace.from_json(service.store.generations(study.id)[-1].space)
    return documents.SweepDetail(
        **short.model_dump(),
        states=dict(tally.states),
        budget=_budget(search.get("budget")),
        started=tally.started,
        ended=tally.ended,
        seed=study.seed,
        sampler=_name_of(search.get("sampler")),
        scheduler=_name_of(search.get("scheduler")),
        epochs=search.get("epochs"),
        space={entry.name: str(entry) for entry in space.entries},
        store=service.store.url,
        artifacts=study.artifacts,
    )


def summary(service: Service, name: str) -> documents.SweepSummary:
    """A sweep in short.

    Raises:
        NotFoundError: there is none of that name.
    """
    asked = submissions.get(service.store, name)
    try:
        study = service.store.study(name)
    except NotFoundError:
        if asked is None:
            raise
        study = None
    return _summary(service, study, asked, overview.tallies(service.store, study=study))


def states(service: Service) -> Counter[StudyState]:
    """How many sweeps there are of each state."""
    asked = {one.name: one for one in submissions.listed(service.store)}
    studies = {study.name: study for study in service.store.studies()}
    return Counter(_state(studies.get(name), asked.get(name)) for name in {*asked, *studies})


def trials(
    service: Service,
    name: str,
    *,
    states: Sequence[TrialState] = (),
    starred: bool | None = None,
    sort: str = "number",
    limit: int = 50,
    offset: int = 0,
) -> documents.Page[documents.TrialSummary]:
    """The trials of a sweep.

    Raises:
        NotFoundError: there is no such sweep.
        SettingError: nothing can be sorted by that.
    """
    study = service.store.study(name)
    total, found = overview.trials_page(
        service.store, study.id, states=states, starred=starred, sort=sort, limit=limit, offset=offset
    )
    return page([documents.TrialSummary(**_trial(row)) for row in found], total=total, offset=offset)


def trial(service: Service, name: str, number: int) -> documents.TrialDetail:
    """One trial.

    Raises:
        NotFoundError: there is no such sweep or trial.
    """
    study = service.study(name)
    return documents.TrialDetail(**_detail(service, study, number))


def records(service: Service, name: str, number: int) -> list[documents.Record]:
    """Every epoch of one trial.

    Raises:
        NotFoundError: there is no such sweep or trial.
    """
    study = service.store.study(name)
    service.store.trial(study.id, number)
    found = service.store.records(study.id, number)
    return [
        documents.Record(trial=one.number, epoch=one.epoch, metrics=dict(one.metrics), time=one.time) for one in found
    ]


def leaderboard(
    service: Service,
    name: str,
    *,
    where: Iterable[str] = (),
    sort: Iterable[str] = (),
    limit: int = 50,
    offset: int = 0,
) -> documents.Leaderboard:
    """The trials of a sweep, best first; conditions and order are those of `Study.leaderboard`.

    Raises:
        NotFoundError: there is no such sweep.
        SettingError: a condition that cannot be read, or a column that there is not.
    """
    standings = service.study(name).standings().select(where, sort)
    found = standings.page(offset, limit)
    rows = [
        documents.LeaderboardRow(**one, mark=standings.mark(one["trial"])) for one in plain(found.to_json()["trials"])
    ]
    return documents.Leaderboard(
        **page(rows, total=len(standings), offset=offset).model_dump(),
        sweep=name,
        state=standings.state,
        objective=_objective(standings.objective),
        best=standings.best,
    )


def best(service: Service, name: str) -> documents.Best:
    """The best trial of a sweep so far.

    Raises:
        NotFoundError: there is no such sweep.
        NoUsableTrialError: no trial has a result yet.
    """
    study = service.study(name)
    return documents.Best(**_detail(service, study, study.best.number), sweep=name)


def _state(study: StudyRow | None, asked: Submission | None) -> StudyState:
    """What a sweep is: its study says so, unless it waits for its turn, or never got as far as a study."""
    if asked is not None and asked.state == "queued":
        return "queued"
    if study is not None:
        return study.state
    assert asked is not None, "a sweep was asked for, or is in the store"
    states: dict[str, StudyState] = {"failed": "failed", "stopped": "stopped", "done": "failed"}
    return states.get(asked.state, "queued")


def _summary(
    service: Service, study: StudyRow | None, asked: Submission | None, tallies: Mapping[int, Tally]
) -> documents.SweepSummary:
    state, problem = _state(study, asked), None if asked is None else asked.problem
    if study is None:
        assert asked is not None, "a sweep was asked for, or is in the store"
        return documents.SweepSummary(name=asked.name, state=state, created=asked.created, problem=problem)
    tally = tallies.get(study.id, EMPTY)
    return documents.SweepSummary(
        name=study.name,
        state=state,
        created=study.created,
        objective=_objective(study.objective),
        trials=tally.total,
        running=tally.states.get("RUNNING", 0),
        failed=tally.states.get("FAIL", 0),
        best=_best_value(service, study, tally),
        problem=problem,
    )


def _best_value(service: Service, study: StudyRow, tally: Tally) -> float | None:
    """With constraints the best is not simply the largest or smallest value."""
    if not isinstance(study.objective, Goal):
        return tally.highest if study.objective.mode == "max" else tally.lowest
    try:
        return Study(service.store, study).best.value
    except NoUsableTrialError:
        return None


def _objective(aim: Aim) -> documents.Objective:
    return documents.Objective(metric=aim.metric, mode=aim.mode)


def _budget(said: dict[str, Any] | None) -> documents.Budget | None:
    return (
        None if said is None else documents.Budget(**{name: said.get(name) for name in documents.Budget.model_fields})
    )


def _name_of(said: Any) -> str | None:
    return said.get("name") if isinstance(said, dict) else said


def _trial(row: TrialRow) -> dict[str, Any]:
    return {
        "trial": row.number,
        "state": row.state,
        "value": row.value,
        "best_epoch": row.best_epoch,
        "epochs": row.epochs,
        "seconds": (row.ended if row.ended is not None else time.time()) - row.started,
        "reason": row.reason,
        "starred": row.starred,
        "note": row.note,
        "config": dict(row.config),
    }


def _detail(service: Service, study: Study, number: int) -> dict[str, Any]:
    row = service.store.trial(study.row.id, number)
    view = study.trial(number)
    return _trial(row) | {
        "metrics": dict(view.metrics),
        "feasible": view.feasible,
        "checkpoint": row.checkpoint,
        "traceback": row.traceback,
        "attempts": row.attempts,
        "seed": row.seed,
        "started": row.started,
        "ended": row.ended,
        "parent": None if row.came_from is None else row.came_from.parent,
    }


def page(items: list[T], *, total: int, offset: int) -> documents.Page[T]:
    """A part of a list as a document."""
    end = offset + len(items)
    return documents.Page[T](items=items, total=total, offset=offset, next=end if items and end < total else None)
