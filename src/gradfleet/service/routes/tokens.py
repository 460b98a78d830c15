"""Routes of tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from gradfleet.service import tokens
from gradfleet.service.access import ADMIN
from gradfleet.service.documents import MadeToken, NewToken, TokenSummary
from gradfleet.service.problems import responses
from gradfleet.service.routes.bodies import described, json_body
from gradfleet.service.routes.parameters import TokenName
from gradfleet.service.service import Current
from gradfleet.service.tokens import Token

router = APIRouter(
    prefix="/tokens", tags=["tokens"], dependencies=[ADMIN], responses=responses(401, 403, 422, 429, 503)
)


@router.get("")
def list_tokens(service: Current) -> list[TokenSummary]:
    """All tokens, the oldest first, revoked and expired ones too."""
    return [TokenSummary(**_facts(one)) for one in tokens.listed(service.store)]


@router.post("", status_code=201, responses=responses(400, 409, 413, 415), openapi_extra=described(NewToken))
def create_token(service: Current, wanted: Annotated[NewToken, json_body(NewToken)], response: Response) -> MadeToken:
    """Make a token; its text is in this answer and nowhere else."""
    text = tokens.create(service.store, wanted.name, scope=wanted.scope, seconds=wanted.seconds)
    made = tokens.find(service.store, text)
    assert made is not None, "it was made a moment ago"
    response.headers["Location"] = f"/v1/tokens/{made.name}"
    return MadeToken(**_facts(made), token=text)


@router.delete("/{token}", status_code=204, responses=responses(404))
def revoke_token(service: Current, token: TokenName) -> None:
    """No request is answered with it any more, and its streams of events end."""
    tokens.revoke(service.store, token)


def _facts(one: Token) -> dict[str, object]:
    return {
        "name": one.name,
        "scope": one.scope,
        "state": one.state,
        "created": one.created,
        "expires": one.expires,
    }
