"""One sweep: how it stands, its plots, its best trials and its failures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gradfleet.errors import NotFoundError, unknown_name
from gradfleet.service import documents, steering, views
from gradfleet.service.documents import SweepDetail
from gradfleet.service.pages.visit import Visit, to
from gradfleet.study.storage.rows import ENDED, StudyState

PLOTS = {
    "history": ("History", "Every trial, and the best value so far."),
    "curves": ("Learning curves", "The objective after each epoch; the best trial stands out."),
}

VERBS: dict[StudyState, tuple[str, ...]] = {
    "queued": ("stop",),
    "running": ("pause", "stop"),
    "paused": ("resume", "stop"),
}
"""What can be asked of a sweep in that state."""

_FAILURES = 10


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a sweep's budget, and how much of it is used."""

    name: str
    asked: float
    used: float | None
    is_time: bool = False

    @property
    def percent(self) -> float:
        return 0.0 if self.used is None else min(100 * self.used / self.asked, 100.0) if self.asked else 100.0


def show(visit: Visit) -> Response:
    found = views.sweep(visit.service, visit.name)
    if found.objective is None:  # it is still being prepared
        return _rendered(visit, found, board=None, failures=None, limits=[], seconds=None, plots={})
    sort = [one for one in visit.request.query_params.getlist("sort") if one]
    board = views.leaderboard(visit.service, visit.name, sort=sort, limit=25, offset=visit.offset)
    failures = views.trials(visit.service, visit.name, states=["FAIL"], sort="-number", limit=_FAILURES)
    return _rendered(
        visit,
        found,
        board=board,
        failures=failures,
        limits=limits(found),
        seconds=seconds(found),
        plots=PLOTS if found.best is not None else {},
        sort=sort[0] if sort else "",
    )


def steer(visit: Visit) -> Response:
    """Ask the sweep's driver for something; the page then says what it answered."""
    verb = visit.request.path_params["verb"]
    known = sorted({verb for verbs in VERBS.values() for verb in verbs})
    if verb not in known:
        raise NotFoundError(unknown_name("verb for a sweep", verb[:40], known))
    asked = steering.steer(visit.service, visit.name, verb)
    return to(f"/ui/sweeps/{visit.name}" + (f"?asked={asked.id}" if asked.id is not None else ""))


def _rendered(visit: Visit, sweep: SweepDetail, **context: Any) -> Response:
    verbs = VERBS.get(sweep.state, ()) if visit.token.may("run") else ()
    return visit.render("sweep.html", sweep=sweep, verbs=verbs, asked=_asked(visit), **context)


def _asked(visit: Visit) -> documents.Request | None:
    """What was asked of the sweep a moment ago."""
    number = visit.request.query_params.get("asked", "")
    return steering.request(visit.service, visit.name, int(number)) if number.isdecimal() and len(number) < 10 else None


def seconds(sweep: SweepDetail) -> float | None:
    """From the first trial's start to the end, or to now; None before it."""
    if sweep.started is None:
        return None
    end = sweep.ended if sweep.state in ENDED and sweep.ended is not None else time.time()
    return end - sweep.started


def limits(sweep: SweepDetail) -> list[Limit]:
    """The limits that can be shown as parts of a whole."""
    if sweep.budget is None:
        return []
    asked = (
        Limit("trials", sweep.budget.trials or 0, sweep.trials),
        Limit("time", sweep.budget.seconds or 0, seconds(sweep), is_time=True),
    )
    return [one for one in asked if one.asked]
