"""Objects by value, with the culprit named when one cannot be pickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import cloudpickle

from gradfleet.errors import ExecutionError

_DEPTH = 8


def by_value(value: Any, name: str) -> bytes:
    """`value` as bytes, functions and classes of scripts and notebooks included.

    Raises:
        ExecutionError: something in it cannot be pickled; it is named, starting from `name`.
    """
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as problem:  # every __reduce__ has its own way to fail
        culprit, kind = _culprit(value, name, _DEPTH)
        raise ExecutionError(
            f"{culprit} (of type {kind}) cannot be sent to a worker, because it cannot be pickled: {problem}. "
            "Leave it out of the object, or make it when it is first used."
        ) from problem


def _culprit(value: Any, name: str, depth: int) -> tuple[str, str]:
    """The innermost part that fails by itself, and its type."""
    for child_name, child in _children(value, name) if depth else ():
        if not _pickles(child):
            return _culprit(child, child_name, depth - 1)
    return name, type(value).__name__


def _children(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{name}[{key!r}]", child) for key, child in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"{name}[{index}]", child) for index, child in enumerate(value))
    else:
        yield from ((f"{name}.{attribute}", child) for attribute, child in getattr(value, "__dict__", {}).items())


def _pickles(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:
        return False
    return True
