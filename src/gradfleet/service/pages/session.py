"""Who looks at a page: the token that was logged in with, in a cookie, and the proof that a form is one of ours.

The cookie is SameSite=Strict and HttpOnly, so no other site sends it and no script reads it. A form carries a hash that
only who knows the cookie can make, so that a page of another service on this host cannot post in somebody's name.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from gradfleet.service.access import address_of, admitted
from gradfleet.service.problems import RefusedError
from gradfleet.service.service import Service
from gradfleet.service.tokens import Token

TOKEN = "gradfleet_token"
VISITOR = "gradfleet_visitor"  # somebody who has not logged in yet: random, so that the login's form is ours too


def token_of(service: Service, request: Request) -> Token:
    """The token that the page was asked for with.

    Raises:
        RefusedError: there is none, it is not valid any more, or it asks too often.
    """
    return admitted(service, request.cookies.get(TOKEN), address=address_of(request))


def new_visitor() -> str:
    return secrets.token_urlsafe(16)


def proof(secret: str) -> str:
    """What a form carries in its field `csrf`; `secret` is the cookie's value."""
    return hmac.new(secret.encode(), b"a form of gradfleet", "sha256").hexdigest()


def check_form(form: Mapping[str, str], secret: str | None) -> None:
    """
    Raises:
        RefusedError: the form is not from a page that this visitor was shown.
    """
    given = form.get("csrf", "").encode()
    if not secret or not hmac.compare_digest(given, proof(secret).encode()):
        raise RefusedError(
            403, "This form was not sent from a page of this service, or its page is too old. Open the page again."
        )


def set_cookie(response: Response, request: Request, name: str, value: str) -> None:
    """Until the browser is closed; over TLS alone where the page came so."""
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, path="/", httponly=True, samesite="strict", secure=secure)


def drop_cookie(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", httponly=True, samesite="strict")
