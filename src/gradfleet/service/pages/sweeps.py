"""The list of sweeps."""

from __future__ import annotations

from typing import get_args

from starlette.responses import Response

from gradfleet.errors import SettingError, unknown_name
from gradfleet.service import views
from gradfleet.service.pages.visit import Visit
from gradfleet.study.storage.rows import StudyState

STATES: tuple[StudyState, ...] = get_args(StudyState)


def show(visit: Visit) -> Response:
    asked = visit.request.query_params
    name, state = asked.get("name", ""), _state(asked.get("state", ""))
    found = views.sweeps(visit.service, state=state, name=name, offset=visit.offset)
    return visit.render("sweeps.html", page=found, states=STATES, state=state, name=name)


def _state(said: str) -> StudyState | None:
    if not said:
        return None
    for state in STATES:
        if said == state:
            return state
    raise SettingError(unknown_name("state of a sweep", said[:40], STATES))
