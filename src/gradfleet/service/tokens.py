"""Tokens: who may use the service, for what, and until when. The store has their hashes only."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection, Row, insert, select, update

from gradfleet.errors import ConflictError, NotFoundError, SettingError, unknown_name
from gradfleet.study.storage.database import one_at_a_time
from gradfleet.study.storage.store import Store, check_name
from gradfleet.study.storage.tables import tokens

Scope = Literal["read", "run", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each may do what those before it may: look; start and steer sweeps; delete, and read the audit log."""

_PREFIX = "gf_"  # so that one that has leaked is recognised by those who scan for such


@dataclass(frozen=True, slots=True)
class Token:
    """What the store knows of a token.

    Attributes:
        created, expires, revoked: Unix time; None where it never expires, or was not revoked.
    """

    id: int
    name: str
    scope: Scope
    created: float
    expires: float | None
    revoked: float | None

    def is_valid(self, now: float | None = None) -> bool:
        moment = time.time() if now is None else now
        return self.revoked is None and (self.expires is None or moment < self.expires)

    def may(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    @property
    def state(self) -> Literal["valid", "revoked", "expired"]:
        if self.revoked is not None:
            return "revoked"
        return "valid" if self.is_valid() else "expired"

    def why_not(self) -> str:
        """Why it is not valid."""
        return "was revoked" if self.state == "revoked" else "has expired"


def create(store: Store, name: str, *, scope: Scope, seconds: float | None = None) -> str:
    """Make a token; its text, which is nowhere else.

    Args:
        seconds: from now until it expires; None is never.

    Raises:
        SettingError: no scope is called that, or the name cannot be one.
        ConflictError: a valid token has the name.
    """
    check_name(name, of="token")
    if scope not in SCOPES:
        raise SettingError(unknown_name("scope", scope, SCOPES))
    text = _PREFIX + secrets.token_urlsafe(32)
    now = time.time()
    values = {"name": name, "hash": _hash(text), "scope": scope, "created": now}
    values["expires"] = None if seconds is None else now + seconds

    def work(connection: Connection) -> None:
        one_at_a_time(connection)  # else two of one name could both find it free
        named = connection.execute(select(tokens).where(tokens.c.name == name)).all()
        if any(token.is_valid() for token in _tokens(named)):
            raise ConflictError(f"A token called {name!r} is there already. Revoke it first, or choose another name.")
        connection.execute(insert(tokens).values(values))

    store.database.write(work)
    return text


def listed(store: Store) -> list[Token]:
    """All tokens, oldest first, revoked and expired ones too."""
    query = select(tokens).order_by(tokens.c.id)
    return _tokens(store.database.read(lambda connection: connection.execute(query).all()))


def revoke(store: Store, name: str) -> None:
    """No request is answered with the tokens of that name any more.

    Raises:
        NotFoundError: no valid token is called that.
    """
    changed = update(tokens).where(tokens.c.name == name, tokens.c.revoked.is_(None)).values(revoked=time.time())
    if store.database.write(lambda connection: connection.execute(changed).rowcount) == 0:
        known = [token.name for token in listed(store) if token.is_valid()]
        raise NotFoundError(unknown_name("valid token", name, known))


def find(store: Store, text: str) -> Token | None:
    """The token with that text, valid or not; None when there is none."""
    query = select(tokens).where(tokens.c.hash == _hash(text))
    found = _tokens(store.database.read(lambda connection: connection.execute(query).all()))
    return found[0] if found else None


def get(store: Store, id: int) -> Token | None:
    """The token of that id, valid or not; None when there is none."""
    query = select(tokens).where(tokens.c.id == id)
    found = _tokens(store.database.read(lambda connection: connection.execute(query).all()))
    return found[0] if found else None


def _hash(text: str) -> str:
    # 256 random bits cannot be guessed, so a plain hash is enough; a slow one would be paid with every request.
    return hashlib.sha256(text.encode()).hexdigest()


def _tokens(rows: Sequence[Row[tuple[object, ...]]]) -> list[Token]:
    return [Token(row.id, row.name, row.scope, row.created, row.expires, row.revoked) for row in rows]
