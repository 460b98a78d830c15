"""Whether a study that is gone on with is the one that was asked for, and what differs when it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gradfleet.errors import StudyMismatchError

_SHOWN = 10


def check_match(name: str, stored: Mapping[str, Any], given: Mapping[str, Any], *, way_out: str | None = None) -> None:
    """Compare two JSON trees, part by part.

    Args:
        way_out: one more sentence of advice.

    Raises:
        StudyMismatchError: they differ; each difference is one line, what the store has against what came.
    """
    differences = list(_differences("", stored, given))
    if not differences:
        return
    shown = [f"  {line}" for line in differences[:_SHOWN]]
    if len(differences) > _SHOWN:
        shown.append(f"  and {len(differences) - _SHOWN} more")
    raise StudyMismatchError(
        "\n".join(
            [
                f"Study {name!r} exists and was made from something else:",
                *shown,
                " ".join(["Pass what it was made from, or another name.", *([way_out] if way_out else [])]),
            ]
        )
    )


def matches(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether nothing differs."""
    return next(_differences("", stored, given), None) is None


def _differences(path: str, stored: Any, given: Any) -> Iterator[str]:
    stored, given = _by_name(stored), _by_name(given)
    if isinstance(stored, Mapping) and isinstance(given, Mapping):
        for key in [*stored, *(key for key in given if key not in stored)]:
            below = f"{path}.{key}" if path else str(key)
            if key not in given:
                yield f"{below}: the store has {_short(stored[key])}, none came"
            elif key not in stored:
                yield f"{below}: the store has none, {_short(given[key])} came"
            else:
                yield from _differences(below, stored[key], given[key])
    elif stored != given:
        yield f"{path}: the store has {_short(stored)}, {_short(given)} came"


def _by_name(value: Any) -> Any:
    """A list of named things as a mapping, so that one more of them is one difference and not many."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        return {item["name"]: item for item in value}
    return value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
