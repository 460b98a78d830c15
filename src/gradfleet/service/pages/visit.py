"""A visit: one request of somebody who is logged in, and what becomes of those who are not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
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
_FIELDS = 50


@dataclass(frozen=True)
class Visit:
    """What a page is made from.

    Attributes:
        form: the fields that were posted; empty for a page that is looked at.
    """

    service: Service
    request: Request
    token: Token
    form: Mapping[str, str]

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
        number: int = self.request.path_params["number"]
        if number > _LARGEST:
            raise NotFoundError(f"No trial has the number {number}.")
        return number

    @property
    def offset(self) -> int:
        """
        Raises:
            SettingError: it is no number.
        """
        text = self.request.query_params.get("offset", "0")
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise SettingError(f"offset is how many rows to leave out, got {text[:20]!r}.")
        return int(text)

    def render(self, template: str, **context: Any) -> Response:
        return render(template, visit=self, **context)

    @property
    def csrf(self) -> str:
        return session.proof(self.request.cookies[session.TOKEN])


Handler = Callable[[Visit], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def page(handler: Handler, *, scope: Scope = "read") -> Endpoint:
    """A handler behind the login: it is called, in a thread, for tokens that have the scope."""

    async def endpoint(request: Request) -> Response:
        form = await form_of(request)
        return await run_in_threadpool(_answer, handler, scope, request, form)

    return endpoint


async def form_of(request: Request) -> dict[str, str]:
    """The fields that were posted, the last of each name; how large they may be is checked before."""
    if request.method != "POST":
        return {}
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS))
    except ValueError:
        return {}


def to(address: str) -> Response:
    """Goes on elsewhere, with GET."""
    return RedirectResponse(address, status_code=303)


def _answer(handler: Handler, scope: Scope, request: Request, form: Mapping[str, str]) -> Response:
    service: Service = request.app.state.service
    visit = None
    try:
        token = session.token_of(service, request)
        request.state.token = token  # for the audit log
        visit = Visit(service, request, token, form)
        if request.method == "POST":
            session.check_form(form, request.cookies[session.TOKEN])
        _check_scope(visit.token, scope)
        return handler(visit)
    except RefusedError as error:
        if error.status == 401:
            return to(f"/ui/login?{urlencode({'next': _asked_for(request)})}")
        return failed(error, visit=visit)
    except Exception as error:
        return failed(error, visit=visit)


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
