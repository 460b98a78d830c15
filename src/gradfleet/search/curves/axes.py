"""One dimension of a space as numbers: coordinates that models and random steps can work with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy
import numpy.typing as npt

from gradfleet.search.choice import Choice
from gradfleet.search.dimensions import Dimension
from gradfleet.search.ranges import Float, Int
from gradfleet.search.suggester import Value

Array = npt.NDArray[Any]


class Axis(Protocol):
    """A dimension whose values have coordinates."""

    @property
    def size(self) -> float:
        """How many values there are; infinity for a range of real numbers."""
        ...

    def coordinates(self, values: Sequence[Value]) -> Array: ...

    def value(self, coordinate: float) -> Value:
        """The value of the dimension that a coordinate stands for."""
        ...

    def draw(self, rng: numpy.random.Generator, count: int) -> Array:
        """Coordinates of values drawn evenly."""
        ...

    def moved(self, coordinates: Array, steps: Array, rng: numpy.random.Generator) -> Array:
        """Coordinates after normally distributed `steps`, in parts of the range."""
        ...

    def smooth(self, coordinates: Array) -> Array:
        """Columns in which near means alike; NaN is out of its branch, and like nothing in particular."""
        ...

    def split(self, coordinates: Array) -> Array:
        """Columns to split by a threshold."""
        ...


@dataclass(frozen=True, slots=True)
class NumberAxis:
    """A Float or Int: 0 is `low`, 1 is `high`, evenly between, in the logarithm where the dimension is."""

    dimension: Float | Int

    @property
    def size(self) -> float:
        return 1 + round((self.dimension.high - self.dimension.low) / self._unit) if self._unit else numpy.inf

    def coordinates(self, values: Sequence[Value]) -> Array:
        return self._coordinates(numpy.array(values, dtype=float))

    def value(self, coordinate: float) -> Value:
        number = float(self._numbers(numpy.array([coordinate]))[0])
        if isinstance(self.dimension, Float):
            return number
        low, high, step = self.dimension.low, self.dimension.high, self.dimension.step
        return min(low + round((number - low) / step) * step, high)  # in whole numbers: real ones end at 2**53

    def draw(self, rng: numpy.random.Generator, count: int) -> Array:
        if not self._unit:
            return rng.random(count)
        if not self.dimension.log:
            return rng.integers(int(self.size), size=count) / (self.size - 1)
        # As Optuna draws whole numbers in the logarithm: each from half a step below to half a step above.
        low, high = math.log(self.dimension.low - 0.5), math.log(self.dimension.high + 0.5)
        numbers = numpy.round(numpy.exp(rng.uniform(low, high, size=count)))
        return self._coordinates(numpy.clip(numbers, self.dimension.low, self.dimension.high))

    def moved(self, coordinates: Array, steps: Array, rng: numpy.random.Generator) -> Array:
        """Reflected at the ends; where values are apart, to the next one at least."""
        places = numpy.abs(coordinates + steps)
        places = numpy.clip(numpy.where(places > 1, 2 - places, places), 0, 1)
        if not self._unit:
            return places
        before, after = self._numbers(coordinates), self._numbers(places)
        after = numpy.where(after == before, before + numpy.sign(steps) * self._unit, after)
        return self._coordinates(numpy.clip(after, self.dimension.low, self.dimension.high))

    def smooth(self, coordinates: Array) -> Array:
        """Narrower at the ends, where a range has its extremes: sin maps 0 to 1 onto 0 to 1. NaN is in the middle."""
        filled = numpy.where(numpy.isnan(coordinates), 0.5, coordinates)
        return (0.5 + 0.5 * numpy.sin(numpy.pi * (filled - 0.5)))[:, None]

    def split(self, coordinates: Array) -> Array:
        return numpy.where(numpy.isnan(coordinates), -0.5, coordinates)[:, None]

    @property
    def _unit(self) -> float:
        """How far apart values are; 0 for real numbers."""
        return self.dimension.step or 0.0

    def _numbers(self, coordinates: Array) -> Array:
        low, high = self.dimension.low, self.dimension.high
        if self.dimension.log:
            numbers = numpy.exp(numpy.log(low) + coordinates * (numpy.log(high) - numpy.log(low)))
        else:
            numbers = low + coordinates * (high - low)
        if self._unit:
            numbers = low + numpy.round((numbers - low) / self._unit) * self._unit
        return numpy.clip(numbers, low, high)

    def _coordinates(self, numbers: Array) -> Array:
        low, high = self.dimension.low, self.dimension.high
        if self.dimension.log:
            return (numpy.log(numbers) - numpy.log(low)) / (numpy.log(high) - numpy.log(low))
        return (numbers - low) / (high - low)


@dataclass(frozen=True, slots=True)
class ChoiceAxis:
    """A Choice: the coordinate is the place among the choices."""

    dimension: Choice

    @property
    def size(self) -> float:
        return len(self.dimension.choices)

    def coordinates(self, values: Sequence[Value]) -> Array:
        places = {choice: place for place, choice in enumerate(self.dimension.choices)}
        return numpy.array([places[value] for value in values], dtype=float)

    def value(self, coordinate: float) -> Value:
        return self.dimension.choices[int(coordinate)]

    def draw(self, rng: numpy.random.Generator, count: int) -> Array:
        return rng.integers(len(self.dimension.choices), size=count).astype(float)

    def moved(self, coordinates: Array, steps: Array, rng: numpy.random.Generator) -> Array:
        """Anywhere: choices have no order."""
        return self.draw(rng, len(coordinates))

    def smooth(self, coordinates: Array) -> Array:
        """Any two choices are at distance 1."""
        return numpy.sqrt(0.5) * self.split(coordinates)

    def split(self, coordinates: Array) -> Array:
        places = numpy.arange(len(self.dimension.choices))
        return (coordinates[:, None] == places).astype(float)


def axis_of(dimension: Dimension) -> Axis:
    makers: dict[type, Callable[..., Axis]] = {Choice: ChoiceAxis, Float: NumberAxis, Int: NumberAxis}
    return makers[type(dimension)](dimension)
