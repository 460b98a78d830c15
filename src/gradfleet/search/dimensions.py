"""The dimensions that there are, and their JSON form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradfleet.errors import SpaceError, unknown_name
from gradfleet.search.choice import NOT_GIVEN, Choice, NotGiven
from gradfleet.search.ranges import Float, Int
from gradfleet.search.suggester import Value

Dimension = Float | Int | Choice


def check_dimension(name: object, dimension: object) -> None:
    """Raise the SpaceError of something that is no dimension, or of a name that is none."""
    if not isinstance(name, str) or not name:
        raise SpaceError(f"A dimension's name is a text, got {name!r}.")
    if not isinstance(dimension, Dimension):
        raise SpaceError(
            f"{name!r} needs a Float, an Int or a Choice, got {dimension!r}; a constant is a Choice of one."
        )


def dimension_to_json(dimension: Dimension) -> dict[str, Any]:
    """Every setting by name, with `type`; a default only when one was given."""
    if isinstance(dimension, Choice):
        default = {} if dimension.default is NOT_GIVEN else {"default": dimension.default}
        return {"type": "choice", "choices": list(dimension.choices), **default}
    default = {} if dimension.default is None else {"default": dimension.default}
    settings = {"low": dimension.low, "high": dimension.high, "log": dimension.log, "step": dimension.step}
    return {"type": type(dimension).__name__.lower(), **settings, **default}


def dimension_from_json(fields: Mapping[str, Any]) -> Dimension:
    """The dimension that `dimension_to_json` wrote.

    Raises:
        SpaceError: an unknown type, a missing or unknown setting, or a dimension that cannot be.
    """
    settings = dict(fields)
    kind = settings.pop("type", None)
    makers: dict[str, Callable[..., Dimension]] = {"float": Float, "int": Int, "choice": _choice_from_json}
    if kind not in makers:
        raise SpaceError(unknown_name("type of dimension", kind, makers))
    try:
        return makers[kind](**settings)
    except TypeError as error:
        raise SpaceError(f"A dimension of type {kind!r} cannot be made from {settings}: {error}.") from error


def _choice_from_json(*, choices: Sequence[Value], default: Value | NotGiven = NOT_GIVEN) -> Choice:
    return Choice(*choices, default=default)
