"""The token of a cluster, from where Ray itself looks for it."""

from __future__ import annotations

import os
from pathlib import Path

from gradfleet.errors import AccessError

_PLACES = "RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"


def cluster_token() -> str | None:
    """None where there is none.

    Raises:
        AccessError: what is there cannot be a token.
    """
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip() or _from_file()
    if token is not None and not (token.isascii() and token.isprintable()):
        raise AccessError(f"What was found in {_PLACES} is no token: it has characters that no request can carry.")
    return token


def _from_file() -> str | None:
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path("~/.ray/auth_token").expanduser())
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def missing_token(address: str) -> AccessError:
    """What to raise where a cluster asks for a token that there is not."""
    return AccessError(f"The cluster at {address} asks for a token, and none was found in {_PLACES}.")


def unsent_token(address: str) -> AccessError:
    """What to raise where a cluster that this process is to join does not take what Ray itself sends."""
    return AccessError(
        f"The cluster at {address} asks for a token, and what this process sends is none of its own: set "
        f"RAY_AUTH_MODE=token, and the token in {_PLACES}."
    )


def refused_token(address: str) -> AccessError:
    """What to raise where a cluster does not take the token."""
    return AccessError(f"The cluster at {address} refuses the token that was found in {_PLACES}.")
