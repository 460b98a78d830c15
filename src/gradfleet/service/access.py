"""Who may: every route says what scope it needs, and a request comes with a token that has it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gradfleet.service import tokens
from gradfleet.service.problems import RefusedError
from gradfleet.service.service import Current, Service
from gradfleet.service.tokens import Scope, Token

bearer = HTTPBearer(auto_error=False, description="A token of `gradfleet token create`.")

_HEADERS = {"WWW-Authenticate": "Bearer"}


def needs(scope: Scope) -> Callable[..., Token]:
    """A dependency that lets in who has at least this scope."""

    def check(
        request: Request, service: Current, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Token:
        token = admitted(service, None if given is None else given.credentials, address=address_of(request))
        request.state.token = token
        if not token.may(scope):
            raise RefusedError(
                403, f"This needs a token of scope {scope!r}, and that of {token.name!r} has {token.scope!r}."
            )
        return token

    return check


def admitted(service: Service, text: str | None, *, address: str) -> Token:
    """The valid token with that text.

    Args:
        address: where the request comes from; whoever has no valid token is counted by that.

    Raises:
        RefusedError: there is none, or it asks too often.
    """
    token = None if text is None else tokens.find(service.store, text)
    _check_rate(service, address if token is None else f"token {token.id}")
    if text is None:
        raise RefusedError(401, "A token is needed, as the header `Authorization: Bearer TOKEN`.", _HEADERS)
    if token is None:
        raise RefusedError(401, "No token is like this one. `gradfleet token create` makes one.", _HEADERS)
    if not token.is_valid():
        raise RefusedError(401, f"The token {token.name!r} {token.why_not()}. Ask for another one.", _HEADERS)
    return token


def still_admitted(service: Service, token: Token) -> None:
    """Refuse a token that was revoked, or has expired, while a stream was open.

    Raises:
        RefusedError: it is not valid any more.
    """
    now = tokens.get(service.store, token.id)
    if now is None or not now.is_valid():
        why = "is gone" if now is None else now.why_not()
        raise RefusedError(401, f"The token {token.name!r} {why}. Ask for another one.", _HEADERS)


def address_of(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


def _check_rate(service: Service, who: str) -> None:
    wait = service.rates.wait_of(who)
    if wait > 0:
        seconds = math.ceil(wait)
        raise RefusedError(
            429, f"Too many requests; the next one is answered in {seconds} s.", {"Retry-After": str(seconds)}
        )


READ = Depends(needs("read"))
RUN = Depends(needs("run"))
ADMIN = Depends(needs("admin"))

Reader = Annotated[Token, READ]
Runner = Annotated[Token, RUN]
Admin = Annotated[Token, ADMIN]
