"""The form of a new sweep: a field for each thing that a spec of a task may say, and what the fields say."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from gradfleet.errors import SettingError
from gradfleet.search.samplers import SAMPLERS
from gradfleet.study.schedulers.names import SCHEDULERS
from gradfleet.sweeps.document import Document, Key, scalar
from gradfleet.sweeps.spec import ObjectiveSpec, ResourcesSpec, SearchSpec, SweepSpec
from gradfleet.sweeps.template import dimension_words
from gradfleet.tasks import task_model, task_options

SECTIONS = {
    "sweep": "Sweep",
    "end": "When it ends",
    "search": "How it searches",
    "objective": "Objective",
    "resources": "Resources of a trial",
    "options": "Options of the task",
    "space": "Space",
}
OPEN = ("sweep", "end")
"""The sections that are shown at once; the others fold out."""

_END = ("budget", "trials", "target", "patience")
_CHOICES: Mapping[str, Sequence[str]] = {
    "search.sampler": tuple(SAMPLERS),
    "search.scheduler": tuple(SCHEDULERS),
    "options.on_bad_rows": ("raise", "skip"),
}
_TEXTS = ("name", "data", "task", "objective.metric", "objective.mode")
_LONGEST = 1_000  # characters of a field; YAML takes long to read


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        key: where the value stands in a spec, dotted.
        hint: what holds where nothing is said.
        choices: the only values that there are; empty for any text.
        is_number: whether a phone should show digits.
    """

    key: str
    section: str
    label: str
    help: str = ""
    hint: str = ""
    choices: Sequence[str] = ()
    is_number: bool = False


def fields(task: str, datasets: Sequence[str]) -> list[Field]:
    """Those of a task.

    Raises:
        NotFoundError: no such task is installed.
    """
    model = task_model(task)
    aim = model.objective.objectives[0]
    hints = {"objective.metric": aim.metric, "objective.mode": aim.mode, "name": "made when it begins"}
    found = [
        Field("data", "sweep", "data", "What lies below the service's folder for data.", choices=datasets),
        _of_model(SweepSpec, "name", "name", "sweep"),
        *(_of_model(SearchSpec, f"search.{name}", name, "end" if name in _END else "search") for name in _search()),
        *(_of_model(ObjectiveSpec, f"objective.{name}", name, "objective") for name in ObjectiveSpec.model_fields),
        *(_of_model(ResourcesSpec, f"resources.{name}", name, "resources") for name in ResourcesSpec.model_fields),
        *(_of_option(name, default) for name, default in task_options(task).items() if name != "seed"),
        *(
            Field(f"space.{one.name}", "space", one.name, hint=dimension_words(one.dimension))
            for one in model.space.entries
        ),
    ]
    return [_hinted(one, hints) for one in found]


def values(task: str, said: Mapping[str, str], known: Sequence[Field]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the filled fields say as a spec, and what cannot be read, by field."""
    spec: dict[str, Any] = {"version": 1, "task": task}
    problems: dict[str, str] = {}
    for field in known:
        text = said.get(field.key, "").strip()
        if not text:
            continue
        try:
            value = text if field.key in _TEXTS else _read(text)
        except SettingError:
            problems[field.key] = f"This cannot be read: {text[:60]!r}."
            continue
        section, _, name = field.key.partition(".")
        if name:
            spec.setdefault(section, {})[name] = value
        else:
            spec[section] = value
    order = ("version", "name", "task", "data", "options", "objective", "search", "space", "resources")
    return {key: spec[key] for key in order if key in spec}, problems


def document(spec: Mapping[str, Any], known: Sequence[Field]) -> Document:
    """The spec, whose problems name the field that they are about."""
    keys: dict[Key, str] = {tuple(field.key.split(".", 1)): field.key for field in known}
    return Document("form", dict(spec), {**keys, ("task",): "task"})


def by_field(problems: Sequence[str], known: Sequence[Field]) -> dict[str, str]:
    """Each problem under its field, or under "" where it is about none."""
    found: dict[str, str] = {}
    keys = {field.key for field in known}
    for problem in problems:
        place, _, rest = problem.partition(": ")
        key, text = (place, rest) if place in keys else ("", problem.removeprefix("form: "))
        found[key] = f"{found[key]} {text}" if key in found else text
    return found


def _read(text: str) -> Any:
    if len(text) > _LONGEST:
        raise SettingError(f"A field has at most {_LONGEST:,} characters, got {len(text):,}.")
    return scalar(text)


def _search() -> Iterator[str]:
    yield from sorted(SearchSpec.model_fields, key=lambda name: _END.index(name) if name in _END else len(_END))


def _of_model(model: type[BaseModel], key: str, name: str, section: str) -> Field:
    about = model.model_fields[name]
    kinds = _kinds(about.annotation)
    choices = [str(one) for kind in kinds if get_origin(kind) is Literal for one in get_args(kind)]
    if bool in kinds:
        choices = ["true", "false"]
    default = "" if about.default is None or about.is_required() else str(about.default)
    label = name.replace("_", " ")
    number = bool({int, float} & set(kinds)) and str not in kinds
    return Field(key, section, label, about.description or "", default, _CHOICES.get(key, choices), number)


def _of_option(name: str, default: Any) -> Field:
    hint = "" if default is None or default == () else str(default)
    return Field(f"options.{name}", "options", name, hint=hint, choices=_CHOICES.get(f"options.{name}", ()))


def _kinds(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for one in get_args(annotation) for kind in _kinds(one)]
    return [annotation]


def _hinted(field: Field, hints: Mapping[str, str]) -> Field:
    return replace(field, hint=hints[field.key]) if field.key in hints else field
