"""A visit: one request of somebody who is logged in, and what becomes of those who are not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gradfleet.errors import NotFoundError, SettingError
from gradfleet.service import problems
from gradfleet.service.pages import session
from gradfleet.service.pages.rendering import render
from gradfleet.service.problems import RefusedError
from gradfleet.service.service import Service
from gradfleet.service.tokens import Scope, Token

_LARGEST = 2**31 - 1
_FIELDS = 200

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Visit:
    """What a page is made from.

    Attributes:
        form: the fields that were posted; empty for a page that is looked at.
        files: those that were posted with them.
    """

    service: Service
    request: Request
    token: Token
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, UploadFile] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the sweep in the address."""
        name: str = self.request.path_params["name"]
        return name

    @property
    def number(self) -> int:
        """Of the trial in the address.

        Raises:
            NotFoundError: no trial can have it.
        """
        text: str = self.request.path_params["number"]
        if not _is_number(text) or int(text) > _LARGEST:
            raise NotFoundError(f"No trial has the number {text[:20]!r}.")
        return int(text)

    @property
    def offset(self) -> int:
        """
        Raises:
            SettingError: it is no number.
        """
        text = self.request.query_params.get("offset", "0")
        if not _is_number(text):
            raise SettingError(f"offset is how many rows to leave out, got {text[:20]!r}.")
        return int(text)

    def read(self, model: type[M], **values: Any) -> M:
        """What was posted as a body of the same kind over HTTP.

        Raises:
            RequestValidationError: it cannot be one; every problem.
        """
        try:
            return model.model_validate(values)
        except ValidationError as error:
            raise problems.invalid("form", error) from error

    def render(self, template: str, **context: Any) -> Response:
        return render(template, visit=self, **context)

    @property
    def csrf(self) -> str:
        return session.proof(self.request.cookies[session.TOKEN])


def _is_number(text: str) -> bool:
    # Python refuses to read thousands of digits, which would be an error that nobody foresaw.
    return text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST))


Handler = Callable[[Visit], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def page(handler: Handler, *, scope: Scope, predicts: bool = False) -> Endpoint:
    """A handler behind the login: it is called, in a thread, for tokens that have the scope.

    Args:
        predicts: it waits for its turn among all that do.
    """

    async def endpoint(request: Request) -> Response:
        service: Service = request.app.state.service
        visit = None
        try:
            token = await run_in_threadpool(session.token_of, service, request)  # before a body is read
            request.state.token = token  # for the audit log
            visit = Visit(service, request, token)
            _check_scope(token, scope)
            async with posted(request) as (form, files):
                visit = replace(visit, form=form, files=files)
                if request.method == "POST":
                    session.check_form(form, request.cookies[session.TOKEN])
                return await (service.predicting.take if predicts else run_in_threadpool)(partial(handler, visit))
        except RefusedError as error:
            if error.status == 401:
                return to(f"/ui/login?{urlencode({'next': _asked_for(request)})}")
            return failed(error, visit=visit)
        except HTTPException as error:  # a body that is too large, or no form
            return failed(RefusedError(error.status_code, str(error.detail), error.headers), visit=visit)
        except Exception as error:
            return failed(error, visit=visit)

    return endpoint


@asynccontextmanager
async def posted(request: Request) -> AsyncIterator[tuple[dict[str, str], dict[str, UploadFile]]]:
    """The fields and files that were posted, the last of each name; how large they may be is checked before."""
    if request.method != "POST":
        yield {}, {}
        return
    async with request.form(max_files=1, max_fields=_FIELDS) as form:
        fields = {name: one for name, one in form.multi_items() if isinstance(one, str)}
        files = {name: one for name, one in form.multi_items() if isinstance(one, UploadFile) and one.filename}
        yield fields, files


def to(address: str) -> Response:
    """Goes on elsewhere, with GET."""
    return RedirectResponse(address, status_code=303)


def failed(error: Exception, *, visit: Visit | None = None) -> Response:
    """The page of an error; it says what the problem document says."""
    document = problems.of_error(error)
    found = json.loads(bytes(document.body))
    return render("error.html", status=document.status_code, visit=visit, title=found["title"], detail=found["detail"])


def _check_scope(token: Token, scope: Scope) -> None:
    if not token.may(scope):
        raise RefusedError(403, f"This needs a token of scope {scope!r}, and {token.name!r} has {token.scope!r}.")


def _asked_for(request: Request) -> str:
    if request.method != "GET":
        return "/ui/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
