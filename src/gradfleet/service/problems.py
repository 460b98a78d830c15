"""Problem documents (RFC 9457): the one way in which errors leave the service."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from gradfleet.errors import (
    CheckpointError,
    ClusterError,
    ConflictError,
    ExecutionError,
    ExportError,
    GradfleetError,
    LeaseHeldError,
    NoSpaceError,
    NotFoundError,
    NoUsableTrialError,
    SettingError,
    StoreError,
    StudyMismatchError,
)
from gradfleet.fleet.service_errors import UNKNOWN, type_of
from gradfleet.service import methods
from gradfleet.study.storage.store import SAFE_NAME, SAFE_NAME_WORDS

MEDIA_TYPE = "application/problem+json"

_MOST_PROBLEMS = 10
"""Of one request that are told: each of many items may have one."""

_log = logging.getLogger("gradfleet.service")

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NotFoundError, 404),
    (StudyMismatchError, 409),
    (ConflictError, 409),
    (SettingError, 422),
    (NoUsableTrialError, 409),
    (LeaseHeldError, 409),
    (CheckpointError, 409),
    (ExecutionError, 422),
    (ExportError, 422),
    (NoSpaceError, 507),
    (StoreError, 503),
    (ClusterError, 503),
)


class Problem(BaseModel):
    """What went wrong, and what to change."""

    type: str = Field(UNKNOWN, description="A URI that names the error that a client raises again.")
    title: str = Field(description="The kind of problem, in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is needed, what came and the next step.")
    problems: list[str] = Field(default_factory=list, description="Where there are several, each by itself.")


class RefusedError(GradfleetError):
    """A request that is turned away before anything looks at what it asks for.

    Args:
        headers: what the answer carries, such as Retry-After.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})


def status_of(error: Exception) -> int | None:
    """The HTTP status of an error that is raised on purpose; None for one that nobody foresaw."""
    if isinstance(error, RefusedError):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), None)


def document(status: int, detail: str, problems: Sequence[str] = (), *, type: str = UNKNOWN) -> Problem:
    several = list(problems) if len(problems) > 1 else []
    return Problem(type=type, title=HTTPStatus(status).phrase, status=status, detail=detail, problems=several)


def answer(
    status: int,
    detail: str,
    problems: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    *,
    type: str = UNKNOWN,
) -> Response:
    """A problem document as a response."""
    content = document(status, detail, problems, type=type).model_dump()
    return JSONResponse(content, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def of_error(error: Exception) -> Response:
    """The answer to an error, whoever raised it; of one that nobody foresaw it tells only where to look."""
    if isinstance(error, ClientDisconnect):
        return answer(400, "The connection ended before the whole body had come, and nothing was done. Send it again.")
    if isinstance(error, RequestValidationError):
        sentences = [_sentence(one) for one in error.errors()[:_MOST_PROBLEMS]]
        return answer(422, str(SettingError(sentences)), sentences)
    status = status_of(error)
    if status is None:
        mark = secrets.token_hex(4)
        _log.error("error %s", mark, exc_info=error)
        return answer(500, f"Something failed that should not; the service's log has it under {mark}.")
    problems = error.problems if isinstance(error, SettingError) else ()
    headers = error.headers if isinstance(error, RefusedError) else None
    return answer(status, str(error), problems, headers, type=type_of(error))


def invalid(part: str, error: ValidationError) -> RequestValidationError:
    """What is wrong with a part of a request that was read by hand, such as its body: one of FastAPI's own.

    Any other ValidationError is a mistake of the service's own, which no client can mend.
    """
    found = error.errors(include_url=False, include_context=False)
    return RequestValidationError([{**one, "loc": (part, *one["loc"])} for one in found])


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's OpenAPI says of these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Have the app answer every error so."""

    def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(methods.allowed(request))
        return answer(error.status_code, _detail(request, error), headers=headers)

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, lambda _, error: of_error(error))
    app.add_exception_handler(ClientDisconnect, lambda _, error: of_error(error))
    app.add_exception_handler(GradfleetError, lambda _, error: of_error(error))
    app.add_exception_handler(Exception, lambda _, error: of_error(error))


def _detail(request: Request, error: HTTPException) -> str:
    """What was said; of a route that there is not, what there is."""
    if error.detail != HTTPStatus(error.status_code).phrase:
        return str(error.detail)
    what = {404: "There is nothing at", 405: f"{request.method[:20]} is not answered at"}.get(error.status_code)
    return str(error.detail) if what is None else f"{what} {request.url.path[:200]}; /openapi.json has every route."


def _sentence(problem: Mapping[str, Any]) -> str:
    """One of pydantic's problems: where it is, what is wrong, what came."""
    part, *inner = map(str, problem["loc"])
    where = f"{part} {'.'.join(inner)}" if inner else f"the {part}"
    came = problem.get("input")
    is_long = isinstance(came, dict | list | bytes) or came is None or problem["type"] == "json_invalid"
    shown = "" if is_long else f", got {str(came)[:60]!r}"
    return f"{where}: {_words(problem)}{shown}."


def _words(problem: Mapping[str, Any]) -> str:
    """What is wrong; pydantic's words where they say what to change."""
    said: str = problem["msg"]
    if problem["type"] == "string_pattern_mismatch" and SAFE_NAME.pattern in said:
        return f"a name has {SAFE_NAME_WORDS}"
    if problem["type"] == "json_invalid" and "recursion" in said:
        return "it nests too deep to be read; send fewer lists and objects inside each other"
    return f"{said[0].lower()}{said[1:]}"
