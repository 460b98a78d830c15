"""Whether a study that is gone on with is the one that was asked for, and what differs when it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gradfleet.errors import StudyMismatchError

_SHOWN = 10
_LENGTH = 60

_FACTS = ("kind", "input_shape", "num_outputs", "labels", "label_type", "columns", "tokens", "num_rows")
"""What is told of data that differs; what is learned from its rows differs with any of them."""

_CONTENT = "content or split (kind, shape, classes and numbers of rows agree)"


def made_from(
    stored: Mapping[str, Any], given: Mapping[str, Any], *, fingerprints: tuple[str | None, str | None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of two specs, what has to be the same in both for a study to be gone on with, so that it can be compared.

    Args:
        fingerprints: of the data of each.
    """
    # What a spec says of its training, where it says anything: other code or settings under one name would make
    # the checkpoints of one study mean two things.
    names = ("objective", "space", "training", "runs")
    there, came = ({name: spec.get(name) for name in names} for spec in (stored, given))
    _align_runs(there, came)
    data = _told_of_data(stored, given, fingerprints)
    for side in (there, came) if fingerprints[0] != fingerprints[1] else ():  # else each fold would be told of too
        if side["runs"] is not None:
            side["runs"] = {**side["runs"], "folds": len(side["runs"]["folds"])}
    return {"data": data[0], **there}, {"data": data[1], **came}


def _align_runs(*sides: dict[str, Any]) -> None:
    """One objective alone, run once, is written in short: beside one that is not, it is written in full."""
    if len({"objectives" in side["objective"] for side in sides}) > 1:
        for side in sides:
            if "objectives" not in side["objective"]:
                side["objective"] = {"objectives": [side["objective"]], "constraints": [], "num_runs": 1}
    if len({side["runs"] is None for side in sides}) > 1:
        for side in sides:
            side["runs"] = side["runs"] or {"repeats": 1, "folds": []}


def _told_of_data(
    stored: Mapping[str, Any], given: Mapping[str, Any], fingerprints: tuple[str | None, str | None]
) -> tuple[Any, Any]:
    """The fingerprints; where they differ, what differs in the facts, if anything does."""
    facts = stored.get("facts"), given.get("facts")
    if fingerprints[0] == fingerprints[1] or None in facts:
        return fingerprints
    there, came = ({name: side[name] for name in _FACTS if name in side} for side in facts if side is not None)
    return (there, came) if there != came else ({_CONTENT: fingerprints[0]}, {_CONTENT: fingerprints[1]})


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
    elif stored != given and _is_long_list(stored) and _is_long_list(given):
        gone, new = ([item for item in one if item not in other] for one, other in ((stored, given), (given, stored)))
        yield f"{path}: only the store has {_short(gone)}, only what came has {_short(new)}"
    elif stored != given:
        yield f"{path}: the store has {_short(stored)}, {_short(given)} came"


def _by_name(value: Any) -> Any:
    """A list of named things as a mapping, so that one more of them is one difference and not many."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        return {item["name"]: item for item in value}
    return value


def _is_long_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and len(json.dumps(value)) > _LENGTH


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 3]}..."
