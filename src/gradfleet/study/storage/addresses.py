"""Addresses as a store keeps them: a project's folder may be moved or copied with its store, and all is found again.

What lies under the folder of the store, or under a study's artifacts, is kept by its place there, behind a mark.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")

STORE = "{store}"
"""The folder of a SQLite file."""

ARTIFACTS = "{artifacts}"
"""The folder of a study's artifacts, which may be anywhere."""


def kept(value: T, base: str | None, mark: str) -> T:
    """`value` with `mark` in place of `base` in each address under it.

    Args:
        value: an address, None, or JSON with addresses among its strings.
        base: None changes nothing.
    """
    return value if base is None else _with_prefix(value, f"{base}/", f"{mark}/")


def found(value: T, base: str | None, mark: str) -> T:
    """What `kept` was given, where `base` is now."""
    return value if base is None else _with_prefix(value, f"{mark}/", f"{base}/")


def _with_prefix(value: T, old: str, new: str) -> T:
    changed: object = value
    if isinstance(value, str) and value.startswith(old):
        changed = new + value.removeprefix(old)
    elif isinstance(value, dict):
        changed = {name: _with_prefix(part, old, new) for name, part in value.items()}
    elif isinstance(value, list):
        changed = [_with_prefix(part, old, new) for part in value]
    return changed  # type: ignore[return-value]  # of the kind that came
