"""A new sweep: a form of the task's own fields, with the file, the program and the command that say the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gradfleet.errors import ConflictError, NotFoundError, SettingError
from gradfleet.service import datasets, specs, steering, views
from gradfleet.service.pages import fields
from gradfleet.service.pages.fields import Field
from gradfleet.service.pages.visit import Visit, to
from gradfleet.sweeps.written import as_command, as_python, as_yaml


def show(visit: Visit) -> Response:
    """The form; fields of the address are filled in."""
    said = dict(visit.request.query_params)
    task = said.get("task")
    if task is None:
        return visit.render("new.html", tasks=views.tasks(), task=None, problem=None)
    return _form(visit, task, said, problems={})


def look(visit: Visit) -> Response:
    """The form as it was filled, with what is wrong with it and what it says."""
    return _form(visit, _task(visit), visit.form, problems=_filled(visit)[1])


def ask(visit: Visit) -> Response:
    """Have the sweep run, or show the form again with what is wrong."""
    spec, problems = _filled(visit)
    if problems:
        return _form(visit, _task(visit), visit.form, problems=problems, status=422)
    known = _fields(visit)
    try:
        name, _ = steering.ask_for(visit.service, fields.document(spec, known), by=visit.token.name)
    except ConflictError as error:
        return _form(visit, _task(visit), visit.form, problems={"name": str(error)}, status=409)
    return to(f"/ui/sweeps/{quote(name)}")


def _task(visit: Visit) -> str:
    return visit.form.get("task", "")


def _fields(visit: Visit, task: str | None = None) -> list[Field]:
    names = [one.name for one in datasets.listed(visit.service)]
    return fields.fields(_task(visit) if task is None else task, names)


def _filled(visit: Visit) -> tuple[dict[str, Any], dict[str, str]]:
    """The spec that was filled in, and what is wrong with it, by field."""
    known = _fields(visit)
    spec, problems = fields.values(_task(visit), visit.form, known)
    if "data" not in spec:
        problems["data"] = "Choose a data set, or upload one."
    if set(spec.get("objective", {})) == {"metric"}:
        problems["objective.mode"] = "Whether more or less of it is better."
    if problems:
        return spec, problems
    try:
        specs.settled(visit.service, fields.document(spec, known))
    except SettingError as error:
        return spec, fields.by_field(error.problems, known)
    return spec, {}


def _form(
    visit: Visit, task: str, said: Mapping[str, str], *, problems: Mapping[str, str], status: int = 200
) -> Response:
    try:
        known = _fields(visit, task)
    except NotFoundError as error:
        return visit.render("new.html", tasks=views.tasks(), task=None, problem=str(error), status=404)
    spec, _ = fields.values(task, said, known)
    where = f"service+{str(visit.request.base_url).rstrip('/')}"
    written = {
        "YAML": as_yaml(spec),
        "Python": as_python(spec, cluster=where),
        "Command": as_command(spec, cluster=where),
    }
    sections = {key: [one for one in known if one.section == key] for key in fields.SECTIONS}
    return visit.render(
        "new.html",
        status=status,
        tasks=views.tasks(),
        task=task,
        sections=sections,
        titles=fields.SECTIONS,
        opened=fields.OPEN,
        said=said,
        problems=problems,
        written=written,
    )
