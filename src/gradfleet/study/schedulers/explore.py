"""How population training changes a configuration: a small step from where its parent is."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from numpy.random import Generator

from gradfleet.errors import SpaceError, unknown_name
from gradfleet.search.choice import Choice
from gradfleet.search.dimensions import Dimension
from gradfleet.search.ranges import Int
from gradfleet.search.space import SearchSpace
from gradfleet.search.suggester import Config, Value

FACTORS = (0.8, 1.2)
"""What a number is multiplied with; from the paper."""

_FIXED = ("loss", "precision", "schedule")  # of a fit, whose state would not be the other's


def variable(space: SearchSpace, chosen: Collection[str] | None) -> tuple[str, ...]:
    """The dimensions that may change while the weights stay.

    By default all but what decides the shape of the weights or of an optimizer's state: architectures with all that is
    theirs, the choice of an optimizer, of a callback, of loss, precision and schedule, and what other dimensions hang
    on.

    Raises:
        SpaceError: one of `chosen` is not there or others hang on it; or nothing may change.
    """
    parents = {condition.name for entry in space.entries for condition in entry.when}
    problems = [unknown_name("dimension", name, space.names) for name in chosen or () if name not in space.names]
    problems += [
        f"{name!r} cannot change while a population trains: other dimensions hang on it."
        for name in chosen or ()
        if name in parents
    ]
    if problems:
        raise SpaceError(problems)
    found = [name for name in space.names if name not in parents and (name in chosen if chosen else _may_change(name))]
    if not any(_has_more_than_one(space[name]) for name in found):
        raise SpaceError(
            f"Population training has nothing to change here: none of {', '.join(space.names)} leaves weights and "
            "optimizer as they are. Add a learning rate or another number, or say what may: Population(vary=...)."
        )
    return tuple(found)


def explored(
    config: Mapping[str, Value], space: SearchSpace, *, vary: Collection[str], resample: float, chance: Generator
) -> Config:
    """A configuration near `config`.

    Args:
        resample: how likely each value is drawn anew instead.
    """
    near = {
        name: _near(space[name], value, resample=resample, chance=chance) if name in vary else value
        for name, value in config.items()
    }
    return space.validate(near)


def _near(dimension: Dimension, value: Value, *, resample: float, chance: Generator) -> Value:
    anew, place, upwards = chance.random(3)  # always three, so that one dimension does not move another
    if anew < resample:
        return _at(dimension, place)
    step = 1 if upwards < 0.5 else -1
    if isinstance(dimension, Choice):
        return _neighbour(dimension, value, step)
    assert isinstance(value, int | float), "the value of a range is a number"
    return _fitting(dimension, value * FACTORS[step > 0], value, step)


def _at(dimension: Dimension, place: float) -> Value:
    """The value at `place` between 0 and 1 of a dimension."""
    if isinstance(dimension, Choice):
        return dimension.choices[int(place * len(dimension.choices))]
    low, high = float(dimension.low), float(dimension.high)
    drawn = low * (high / low) ** place if dimension.log else low + place * (high - low)
    return _fitting(dimension, drawn, drawn, 0)


def _neighbour(choice: Choice, value: Value, step: int) -> Value:
    """The next larger or smaller number; what has no order stays."""
    numbers = sorted(one for one in choice.choices if isinstance(one, int | float) and not isinstance(one, bool))
    if len(numbers) < len(choice.choices) or not isinstance(value, int | float):
        return value
    return numbers[min(max(numbers.index(value) + step, 0), len(numbers) - 1)]


def _fitting(dimension: Dimension, wanted: float, before: float, step: int) -> Value:
    """`wanted` as a value of the dimension; a whole number moves by one step at least."""
    assert not isinstance(dimension, Choice), "a choice has no range"
    inside = min(max(wanted, dimension.low), dimension.high)
    if dimension.step is None:
        return inside
    steps = round((inside - dimension.low) / dimension.step)
    if step and dimension.low + steps * dimension.step == before:
        steps += step
    most = math.floor((dimension.high - dimension.low) / dimension.step + 1e-9)
    snapped = dimension.low + min(max(steps, 0), most) * dimension.step
    return int(snapped) if isinstance(dimension, Int) else min(snapped, dimension.high)


def _may_change(name: str) -> bool:
    chooses = name.count(".") == 1 and name.startswith(("optimizer.", "callbacks."))
    return not (chooses or name in ("optimizer", *_FIXED) or name.partition(".")[0] == "architecture")


def _has_more_than_one(dimension: Dimension) -> bool:
    return not isinstance(dimension, Choice) or len(dimension.choices) > 1
