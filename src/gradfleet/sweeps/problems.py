"""What pydantic refuses, as sentences that say where, what came, and what there is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from gradfleet.errors import SettingError, unknown_name
from gradfleet.sweeps.document import Document, Key
from gradfleet.sweeps.spec import SweepSpec

_NEEDED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "list_type": "a list",
    "bool_type": "true or false",
    "is_instance_of": "a list",  # of types that a preset's author has written
    "sequence_str": "a list",
}


def checked(document: Document) -> SweepSpec:
    """The spec that a document is.

    Raises:
        SettingError: one sentence a problem, with file, line and column; all of them at once.
    """
    try:
        return SweepSpec.model_validate(document.values)
    except ValidationError as error:
        problems = {_sentence(document, problem): None for problem in error.errors(include_url=False)}
        raise SettingError([*problems]) from None


def check_type(name: str, value: Any, kind: Any) -> None:
    """Refuse a value that is of another type.

    Raises:
        SettingError: what is needed and what came.
    """
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join([name, *(str(step) for step in first["loc"] if isinstance(step, int))])
        needed = _NEEDED.get(first["type"], first["msg"].lower())
        raise SettingError(f"{where} needs {needed}, got {_shown(first['input'])}.") from None


def _sentence(document: Document, problem: Mapping[str, Any]) -> str:
    key = _said(document.values, problem["loc"])
    if problem["type"] == "missing":
        key = (*key, problem["loc"][-1])
    where, name = document.where(key), ".".join(map(str, key))
    match problem["type"]:
        case "extra_forbidden":
            return f"{where}: {unknown_name('key', name.rpartition('.')[2], _keys(key[:-1]))}"
        case "missing":
            return f"{where}: {name} is missing{_what_for(key)}."
        case "value_error":
            return f"{where}: {name + ' ' if name else 'A sweep '}{problem['ctx']['error']}."
        case kind if kind in _NEEDED:
            return f"{where}: {name} needs {_NEEDED[kind]}, got {_shown(problem['input'])}."
    return f"{where}: {name}: {problem['msg'].lower()}, got {_shown(problem['input'])}."


def _said(values: Any, location: tuple[str | int, ...]) -> Key:
    """The location as far as the document says it, without the names of alternatives that pydantic puts between."""
    key: Key = ()
    for step in location:
        inside = isinstance(values, Mapping) and step in values
        inside |= isinstance(values, list) and isinstance(step, int) and step < len(values)
        if inside:
            values = values[step]
            key = (*key, step)
    return key


def _keys(section: Key) -> list[str]:
    """The keys that a section may have."""
    model: Any = SweepSpec
    for step in map(str, section):
        inner = model.model_fields.get(step) if isinstance(model, type) and issubclass(model, BaseModel) else None
        model = _first_model(model) if inner is None else inner.annotation
    model = _first_model(model)
    return [] if model is None else list(model.model_fields)


def _first_model(annotation: Any) -> Any:
    """The model inside of a type such as `ObjectiveSpec | None` or `dict[str, RangeSpec | float]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for one in get_args(annotation) if (model := _first_model(one)) is not None), None)


def _what_for(key: Key) -> str:
    field = SweepSpec.model_fields.get(str(key[0])) if len(key) == 1 else None
    if field is None:
        return ""
    allowed = get_args(field.annotation)
    return f"; write `{key[0]}: {allowed[0]}`" if allowed and isinstance(allowed[0], int) else ""


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
