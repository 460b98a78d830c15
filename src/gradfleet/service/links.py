"""Links of the OpenAPI document: what an answer says that another request takes, such as the name of a new sweep."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Values = Mapping[str, str]

_NAME = "$request.path.name"
_SPEC = {"version": 1, "task": "image-classification"}

_GIVEN: tuple[tuple[str, str, Values], ...] = (
    ("POST /v1/sweeps", "201", {"name": "$response.body#/name"}),
    ("POST /v1/sweeps", "200", {"name": "$response.body#/name"}),
    ("GET /v1/sweeps", "200", {"name": "$response.body#/items/0/name"}),
    ("POST /v1/sweeps/{name}/retry", "202", {"name": "$response.body#/name"}),
    ("GET /v1/sweeps/{name}/trials", "200", {"name": _NAME, "number": "$response.body#/items/0/trial"}),
    ("GET /v1/sweeps/{name}/leaderboard", "200", {"name": _NAME, "number": "$response.body#/items/0/trial"}),
    ("GET /v1/sweeps/{name}/best", "200", {"name": _NAME, "number": "$response.body#/trial"}),
    ("POST /v1/sweeps/{name}/trials/{number}/replay", "202", {"name": _NAME, "number": "$response.body#/trial"}),
    *(
        (f"POST /v1/sweeps/{{name}}/{verb}", "200", {"name": _NAME, "id": "$response.body#/id"})
        for verb in ("pause", "resume", "stop", "cancel")
    ),
    ("POST /v1/models", "201", {"model": "$response.body#/name"}),
    ("GET /v1/models", "200", {"model": "$response.body#/0/name"}),
    ("PUT /v1/datasets/{file}", "201", {"file": "$response.body#/name"}),
    ("GET /v1/datasets", "200", {"file": "$response.body#/0/name"}),
    ("POST /v1/tokens", "201", {"token": "$response.body#/name"}),
)
"""An operation, one of its statuses, and the parts of other addresses that its answer tells."""

_BODIES: tuple[tuple[str, str, str, Mapping[str, Any]], ...] = (
    ("PUT /v1/datasets/{file}", "201", "POST /v1/sweeps", {**_SPEC, "data": "$response.body#/name"}),
    ("GET /v1/datasets", "200", "POST /v1/sweeps", {**_SPEC, "data": "$response.body#/0/name"}),
    (
        "GET /v1/sweeps/{name}/best",
        "200",
        "POST /v1/models",
        {"name": _NAME, "sweep": _NAME, "trial": "$response.body#/trial"},
    ),
)
"""The same for a body that another operation takes."""

_CHOSEN = {"kind"}
"""Parts of addresses that the client chooses from a list of the document."""


def add(document: dict[str, Any]) -> None:
    """Write the links into an OpenAPI document."""
    operations = {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    for source, status, values in _GIVEN:
        for target in _taking(operations, values):
            if target != source:
                _write(operations, source, status, target, {"parameters": dict(values)})
    for source, status, target, body in _BODIES:
        _write(operations, source, status, target, {"requestBody": dict(body)})


def _taking(operations: Mapping[str, Any], values: Values) -> Iterator[str]:
    """The operations whose address has just these parts."""
    for name in operations:
        if set(re.findall(r"{(\w+)}", name)) - _CHOSEN == set(values):
            yield name


def _write(operations: Mapping[str, Any], source: str, status: str, target: str, link: Mapping[str, Any]) -> None:
    name = operations[target]["operationId"]
    operations[source]["responses"][status].setdefault("links", {})[name] = {"operationId": name, **link}
