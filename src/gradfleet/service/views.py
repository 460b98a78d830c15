"""What there is to see, as documents: JSON routes and pages call these same functions.

Each takes the service and says what it raises; none knows of HTTP.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

from gradfleet.errors import NotFoundError, NoUsableTrialError, SettingError, unknown_name
from gradfleet.goal import Aim, Goal
from gradfleet.search.space import SearchSpace
from gradfleet.service import documents, replays, submissions
from gradfleet.service.documents import plain
from gradfleet.service.predictions import kind_of
from gradfleet.service.replays import TrialReplay
from gradfleet.service.service import Service
from gradfleet.service.submissions import Submission
from gradfleet.study.storage import overview
from gradfleet.study.storage.overview import EMPTY, Tally
from gradfleet.study.storage.rows import StudyRow, StudyState, TrialRow, TrialState
from gradfleet.study.study import Study
from gradfleet.tasks import available_tasks, task_summary

T = TypeVar("T")

SORTS = ("created", "name", "state")
"""What sweeps can be listed by."""


def tasks() -> list[documents.Task]:
    """The kinds of problem that are installed."""
    return [documents.Task(name=name, summary=task_summary(name)) for name in available_tasks()]


def sweeps(
    service: Service,
    *,
    state: StudyState | None = None,
    name: str = "",
    sort: str = "-created",
    limit: int = 50,
    offset: int = 0,
) -> documents.Page[documents.SweepSummary]:
    """The sweeps of the store, the newest first.

    Args:
        state: only these.
        name: only those whose name has this in it.
        sort: one of `SORTS`; a minus turns it round.

    Raises:
        SettingError: nothing can be sorted by that.
    """
    key = sort.removeprefix("-")
    if key not in SORTS:
        raise SettingError(unknown_name("order of sweeps", key[:40], SORTS))
    found = [one for one in _pairs(service) if name.lower() in one.name.lower() and state in (None, one.state)]
    found.sort(key=attrgetter(key), reverse=sort.startswith("-"))
    shown = found[offset : offset + limit]
    tallies = overview.tallies(service.store, [one.study.id for one in shown if one.study is not None])
    return page([_summary(service, one, tallies) for one in shown], total=len(found), offset=offset)


def sweep(service: Service, name: str) -> documents.SweepDetail:
    """One sweep.

    Raises:
        NotFoundError: there is none of that name.
    """
    found = _pair(service, name)
    if found.study is None:
        return documents.SweepDetail(**_summary(service, found, {}).model_dump(), store=service.store.url)
    study = found.study
    tallies = overview.tallies(service.store, [study.id])
    tally = tallies.get(study.id, EMPTY)
    search = study.spec.get("search", {})
    space = SearchSpace.from_json(service.store.generations(study.id)[-1].space)
    return documents.SweepDetail(
        **_summary(service, found, tallies).model_dump(),
        states=dict(tally.states),
        budget=_budget(search.get("budget")),
        started=tally.started,
        ended=tally.ended,
        seed=study.seed,
        sampler=_name_of(search.get("sampler")),
        scheduler=_name_of(search.get("scheduler")),
        epochs=search.get("epochs"),
        space={entry.name: str(entry) for entry in space.entries},
        items=kind_of(study.spec.get("facts")),
        store=service.store.url,
        artifacts=study.artifacts,
    )


def summary(service: Service, name: str) -> documents.SweepSummary:
    """A sweep in short.

    Raises:
        NotFoundError: there is none of that name.
    """
    found = _pair(service, name)
    known = [] if found.study is None else [found.study.id]
    return _summary(service, found, overview.tallies(service.store, known))


def states(service: Service) -> Counter[StudyState]:
    """How many sweeps there are of each state."""
    return Counter(one.state for one in _pairs(service))


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
    study = service.row(name)
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
    study = service.row(name)
    service.store.trial(study.id, number)
    found = service.store.records(study.id, number)
    return [
        documents.Record(trial=one.number, epoch=one.epoch, metrics=dict(one.metrics), time=one.time) for one in found
    ]


def replay(service: Service, name: str, number: int) -> documents.Replay:
    """How the last replay of a trial stands.

    Raises:
        NotFoundError: there is no such sweep or trial, or nobody has asked for one.
    """
    study = service.row(name)
    service.store.trial(study.id, number)
    return replay_of(replays.get(service.store, study.id, number))


def replay_of(one: TrialReplay) -> documents.Replay:
    """A replay as a document."""
    return documents.Replay(
        trial=one.number,
        state=one.state,
        recorded=one.recorded,
        value=one.value,
        same=None if one.value is None else one.value == one.recorded,
        epoch=one.epoch,
        records=[documents.ReplayedEpoch(**record) for record in one.records],
        created=one.created,
        created_by=one.created_by,
        ended=one.ended,
        problem=one.problem,
    )


def leaderboard(
    service: Service,
    name: str,
    *,
    where: Iterable[str] = (),
    sort: Iterable[str] = (),
    limit: int = 50,
    offset: int = 0,
    with_default: bool = False,
) -> documents.Leaderboard:
    """The trials of a sweep, best first; conditions and order are those of `Study.leaderboard`.

    Args:
        with_default: after these the trial of the default configuration, where that comes later.

    Raises:
        NotFoundError: there is no such sweep.
        SettingError: a condition that cannot be read, or a column that there is not.
    """
    standings = service.study(name).standings().select(where, sort)
    found = standings.top(offset + limit, with_default=with_default).page(offset, limit + 1)
    rows = [
        documents.LeaderboardRow(**one, mark=standings.mark(one["trial"])) for one in plain(found.to_json()["trials"])
    ]
    return documents.Leaderboard(
        items=rows,
        **page(rows[:limit], total=len(standings), offset=offset).model_dump(exclude={"items"}),
        sweep=name,
        state=standings.state,
        objective=_objective(standings.objective),
        goal=_goal(standings.objective),
        best=standings.best,
        dimensions=list(standings.ranking.dimensions),
    )


def best(service: Service, name: str) -> documents.Best:
    """The best trial of a sweep so far.

    Raises:
        NotFoundError: there is no such sweep.
        NoUsableTrialError: no trial has a result yet.
    """
    study = service.study(name)
    return documents.Best(**_detail(service, study, study.best.number), sweep=name)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A sweep: its study, once it has got so far, and what was asked of this service, if it was."""

    study: StudyRow | None
    asked: Submission | None

    @property
    def _known(self) -> StudyRow | Submission:
        one = self.study or self.asked
        assert one is not None, "a sweep was asked for, or is in the store"
        return one

    @property
    def name(self) -> str:
        return self._known.name

    @property
    def created(self) -> float:
        return self._known.created

    @property
    def state(self) -> StudyState:
        """Its study says so, unless it waits for its turn, or never got as far as a study."""
        if self.asked is not None and (self.study is None or self.asked.state == "queued"):
            states: dict[str, StudyState] = {"failed": "failed", "stopped": "stopped", "done": "failed"}
            return states.get(self.asked.state, "queued")
        assert self.study is not None, "a sweep was asked for, or is in the store"
        if self.asked is not None and (self.asked.state, self.study.state) == ("claimed", "failed"):
            return "queued"  # who sees to it has not said yet that this is the end; a cluster that is away is not
        return self.study.state

    @property
    def problem(self) -> str | None:
        """Why it has failed, or what it waits for: what was noted of what was asked, else what its study says."""
        if self.asked is not None and (self.asked.problem is not None or self.asked.state != "done"):
            return self.asked.problem
        return None if self.study is None else self.study.problem


def _pairs(service: Service) -> list[_Pair]:
    """All sweeps of the store."""
    asked = {one.name: one for one in submissions.listed(service.store)}
    studies = {study.name: study for study in service.store.studies()}
    return [_Pair(studies.get(name), asked.get(name)) for name in {**studies, **asked}]


def _pair(service: Service, name: str) -> _Pair:
    """
    Raises:
        NotFoundError: there is none of that name.
    """
    asked = submissions.get(service.store, name)
    try:
        return _Pair(service.store.study(name), asked)
    except NotFoundError:
        if asked is None:
            raise
        return _Pair(None, asked)


def _summary(service: Service, one: _Pair, tallies: Mapping[int, Tally]) -> documents.SweepSummary:
    short = documents.SweepSummary(name=one.name, state=one.state, created=one.created, problem=one.problem)
    if one.study is None:
        return short
    tally = tallies.get(one.study.id, EMPTY)
    return short.model_copy(
        update={
            "objective": _objective(one.study.objective),
            "trials": tally.total,
            "running": tally.states.get("RUNNING", 0),
            "failed": tally.states.get("FAIL", 0),
            "best": _best_value(service, one.study, tally),
        }
    )


def _best_value(service: Service, study: StudyRow, tally: Tally) -> float | None:
    """With constraints the best is not simply the largest or smallest value."""
    if not isinstance(study.objective, Goal):
        return tally.highest if study.objective.mode == "max" else tally.lowest
    try:
        return service.study_of(study).best.value
    except NoUsableTrialError:
        return None


def _objective(aim: Aim) -> documents.Objective:
    return documents.Objective(metric=aim.metric, mode=aim.mode)


def _goal(aim: Aim) -> documents.Goal:
    return documents.Goal(
        objectives=[documents.Objective(metric=one.metric, mode=one.mode) for one in aim.objectives],
        constraints=[str(one) for one in aim.constraints],
        num_runs=aim.num_runs,
    )


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
