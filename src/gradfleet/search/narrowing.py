"""A smaller space: dimensions of another one, fixed or with fewer values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradfleet.errors import SpaceError, unknown_name
from gradfleet.search.choice import Choice
from gradfleet.search.dimensions import Dimension
from gradfleet.search.ranges import Float, Int
from gradfleet.search.space import Entry, SearchSpace, When
from gradfleet.search.suggester import Value

Narrowing = Value | Mapping[str, Any]
"""A value that fixes a dimension, or settings of a smaller range: `choices`, or `low`, `high`, `log`, `step`, and
`default`."""

_RANGE = ("low", "high", "log", "step")
_PARTS = ("choices", *_RANGE, "default")


def narrowed(space: SearchSpace, changes: Mapping[str, Narrowing]) -> SearchSpace:
    """`space` with fewer values; a branch whose value is gone is gone too.

    The search starts where it did, when that value is still there.

    Example:
        >>> space = SearchSpace((Entry("rate", Float(1e-4, 1.0, log=True)), Entry("width", Int(8, 64))))
        >>> print(*narrowed(space, {"rate": {"high": 0.01}, "width": 32}).entries, sep="; ")
        Float(0.0001, 0.01, log=True, default=0.01); Choice(32)

    Raises:
        SpaceError: names that the space does not have, values that are outside of it, or a branch that is named but
            can never be drawn any more; all of them are listed.
    """
    problems = [unknown_name("dimension", name, space.names) for name in changes if name not in space.names]
    entries: list[Entry] = []
    for entry in space.entries:
        when = tuple(_conditions(entry, entries))
        if len(when) < len(entry.when):
            if entry.name in changes:
                problems.append(f"{entry.name!r} is never drawn: {' and '.join(map(str, entry.when))} cannot be.")
            continue
        dimension = entry.dimension
        if entry.name in changes:
            try:
                dimension = _dimension(entry.dimension, changes[entry.name])
            except SpaceError as error:
                problems += [f"{entry.name!r}: {problem}" for problem in error.problems]
        entries.append(Entry(entry.name, dimension, when))
    if problems:
        raise SpaceError(problems)
    return SearchSpace(tuple(entries))


def _conditions(entry: Entry, before: list[Entry]) -> Iterator[When]:
    """The entry's conditions with the values that can still be drawn; those that cannot hold are left out."""
    dimensions = {earlier.name: earlier.dimension for earlier in before}
    for condition in entry.when:
        parent = dimensions.get(condition.name)
        values = () if parent is None else tuple(value for value in condition.values if not parent.problem(value))
        if values:
            yield replace(condition, values=values)


def _dimension(wide: Dimension, change: Narrowing) -> Dimension:
    if not isinstance(change, Mapping):
        return _some_of(wide, [change], change)
    if problems := list(_misread(change)):
        raise SpaceError(problems)
    if "choices" in change:
        return _some_of(wide, change["choices"], change.get("default", wide.start))
    if isinstance(wide, Choice):
        if set(change) == {"default"}:
            return Choice(*wide.choices, default=change["default"])
        raise SpaceError(f"{wide!r} has no low and high; narrow it with choices.")
    return _smaller_range(wide, change)


def _misread(change: Mapping[str, Any]) -> Iterator[str]:
    """What of a narrowing has no meaning, whatever it narrows."""
    yield from (unknown_name("part of a narrowing", name, _PARTS) for name in change if name not in _PARTS)
    ranged = [name for name in _RANGE if name in change]
    if "choices" in change:
        choices = change["choices"]
        if isinstance(choices, str) or not isinstance(choices, Sequence):
            yield f"choices are values in a list, got {choices!r}."
        if ranged:
            yield f"A dimension is narrowed to choices or to a range, got choices and {' and '.join(ranged)}."
    for name in ("low", "high", "step"):
        value = change.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            yield f"{name} is a number, got {value!r}."


def _some_of(wide: Dimension, values: Sequence[Value], start: Value) -> Choice:
    problems = [problem for value in values if (problem := wide.problem(value))]
    if problems:
        raise SpaceError(problems)
    as_drawn = [float(value) if isinstance(wide, Float) else value for value in values]  # type: ignore[arg-type]
    few = Choice(*as_drawn)
    return few if few.problem(start) or few.start == start else Choice(*as_drawn, default=start)


def _smaller_range(wide: Float | Int, change: Mapping[str, Any]) -> Dimension:
    settings: dict[str, Any] = {"low": wide.low, "high": wide.high, "log": wide.log, "step": wide.step}
    settings |= {name: _whole(wide, value) for name, value in change.items() if value is not None}
    low, high = settings["low"], settings["high"]
    problems = [problem for end in (low, high) if (problem := _outside(wide, end))]
    if problems:
        raise SpaceError(problems)
    if low == high:
        return Choice(low)
    narrow = type(wide)(**settings)
    start = min(max(wide.start, low), high)
    if "default" in settings or narrow.start == start or narrow.problem(start):
        return narrow
    return type(wide)(**settings, default=start)


def _whole(wide: Float | Int, value: Any) -> Any:
    """YAML and JSON know one kind of number; an Int takes 32.0 as 32."""
    return int(value) if isinstance(wide, Int) and isinstance(value, float) and value.is_integer() else value


def _outside(wide: Float | Int, value: float) -> str | None:
    if wide.low <= value <= wide.high:
        return None
    return f"lies outside of {wide!r}, which can only be narrowed; got {value}."
