"""One sweep: how it stands, its plots, its best trials and its failures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gradfleet.errors import NotFoundError, unknown_name
from gradfleet.service import documents, steering, views
from gradfleet.service.dashboard import address
from gradfleet.service.documents import SweepDetail
from gradfleet.service.pages.visit import Visit, to
from gradfleet.study.storage.rows import ENDED, StudyState

PLOTS = {
    "history": ("History", "Every trial, and the best value so far."),
    "curves": ("Learning curves", "The objective after each epoch; the best trial stands out."),
}

VERBS: dict[StudyState, tuple[str, ...]] = {
    "queued": ("stop",),
    "running": ("pause", "stop", "cancel"),
    "paused": ("resume", "stop", "cancel"),
    "failed": ("retry",),
    "stopped": ("retry",),
}
"""What can be asked of a sweep in that state."""

CONFIRMED = ("cancel",)
"""What is asked for on a page of its own first."""

_FAILURES = 10
_MOST_LOG = 100_000  # characters


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a sweep's budget, and how much of it is used."""

    name: str
    asked: float
    used: float | None
    is_time: bool = False

    @property
    def left(self) -> float:
        return max(self.asked - (self.used or 0.0), 0.0)

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
    if verb == "retry":
        steering.retry(visit.service, visit.name, retry_failed="retry_failed" in visit.form)
        return to(_address(visit))
    asked = steering.steer(visit.service, visit.name, verb)
    return to(_address(visit) + (f"?asked={asked.id}" if asked.id is not None else ""))


def delete(visit: Visit) -> Response:
    """Drop it; the list comes next."""
    steering.delete(visit.service, visit.name)
    return to("/ui/")


def logs(visit: Visit) -> Response:
    """The end of what its driver has said."""
    state = views.summary(visit.service, visit.name).state
    said = steering.logs(visit.service, visit.name, most=_MOST_LOG)
    return visit.render("logs.html", name=visit.name, state=state, said=said)


def dashboard(visit: Visit) -> Response:
    """Its plots in optuna-dashboard."""
    return to(address(visit.service, visit.name))


def question_of_cancel(visit: Visit) -> str:
    return (
        f"Cancel {views.summary(visit.service, visit.name).name}? Its running trials end now and keep what they have."
    )


def question_of_delete(visit: Visit) -> str:
    found = views.summary(visit.service, visit.name)
    return f"Delete {found.name} with its {found.trials} trials and their checkpoints, for good?"


def _address(visit: Visit) -> str:
    return f"/ui/sweeps/{visit.name}"


def _rendered(visit: Visit, sweep: SweepDetail, **context: Any) -> Response:
    verbs = VERBS.get(sweep.state, ()) if visit.token.may("run") else ()
    return visit.render(
        "sweep.html",
        sweep=sweep,
        verbs=verbs,
        confirmed=CONFIRMED,
        asked=_asked(visit),
        resources=_resources(visit),
        cluster=visit.request.app.state.cluster,
        **context,
    )


def _resources(visit: Visit) -> dict[str, Any]:
    """What one trial takes; empty while it is still being prepared."""
    try:
        spec = visit.service.store.study(visit.name).spec
    except NotFoundError:
        return {}
    found: dict[str, Any] = spec.get("search", {}).get("resources", {})
    return {name: value for name, value in found.items() if value is not None and (name, value) != ("workers", 1)}


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
