"""Configurations of a space as rows of a matrix, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy

from gradfleet.search.curves.axes import Array, axis_of
from gradfleet.search.space import Entry, SearchSpace
from gradfleet.search.suggester import Config

CHANGED = 0.3
"""The chance of each dimension to change in a mutation; where there are fewer than five, 1.5 of them change."""


class Encoding:
    """A row has a coordinate for each dimension of the space, in order, NaN for one that is out of its branch.

    Example:
        >>> from gradfleet import Choice, Float
        >>> space = SearchSpace((Entry("rate", Float(0.01, 1.0, log=True)), Entry("net", Choice("a", "b"))))
        >>> encoding = Encoding(space)
        >>> encoding.rows([{"rate": 0.1, "net": "b"}]).tolist()
        [[0.5, 1.0]]
    """

    def __init__(self, space: SearchSpace) -> None:
        self._entries = space.entries
        self._axes = [axis_of(entry.dimension) for entry in space.entries]
        self._places = {entry.name: place for place, entry in enumerate(space.entries)}
        self._varying = [place for place, axis in enumerate(self._axes) if axis.size > 1]

    @property
    def num_varying(self) -> int:
        """Dimensions with more than one value."""
        return len(self._varying)

    @property
    def is_finite(self) -> bool:
        return all(numpy.isfinite(axis.size) for axis in self._axes)

    @cached_property
    def groups(self) -> Sequence[slice]:
        """Of the columns of `smooth`: those of each varying dimension."""
        widths = [self._axes[place].smooth(numpy.zeros(1)).shape[1] for place in self._varying]
        ends = numpy.cumsum([0, *widths]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def rows(self, configs: Sequence[Config]) -> Array:
        rows = numpy.full((len(configs), len(self._axes)), numpy.nan)
        for place, (entry, axis) in enumerate(zip(self._entries, self._axes, strict=True)):
            active = [row for row, config in enumerate(configs) if entry.name in config]
            rows[active, place] = axis.coordinates([configs[row][entry.name] for row in active])
        return rows

    def config(self, row: Array) -> Config:
        named = zip(self._entries, self._axes, row.tolist(), strict=True)
        return {entry.name: axis.value(place) for entry, axis, place in named if place == place}

    def draw(self, rng: numpy.random.Generator, count: int) -> Array:
        """Rows drawn evenly, dimension by dimension."""
        return self._branched(self._full(rng, count))

    def mutated(self, rng: numpy.random.Generator, rows: Array, scales: Array) -> Array:
        """Each row with some of its dimensions changed, one at least.

        Args:
            scales: the standard deviation of each row's steps, in parts of a range.
        """
        count, width = rows.shape
        full = numpy.where(numpy.isnan(rows), self._full(rng, count), rows)
        changed = rng.random(rows.shape) < max(1.5 / max(1, self.num_varying), CHANGED)
        if self._varying:
            changed[numpy.arange(count), rng.choice(self._varying, size=count)] = True
        steps = rng.normal(size=rows.shape) * scales[:, None]
        for place in range(width):
            moved = self._axes[place].moved(full[:, place], steps[:, place], rng)
            full[:, place] = numpy.where(changed[:, place], moved, full[:, place])
        return self._branched(full)

    def smooth(self, rows: Array) -> Array:
        """Columns for a model in which near means alike; those of a dimension are its `groups`."""
        return self._columns([self._axes[place].smooth(rows[:, place]) for place in self._varying], rows)

    def split(self, rows: Array) -> Array:
        """Columns for trees."""
        return self._columns([self._axes[place].split(rows[:, place]) for place in self._varying], rows)

    @staticmethod
    def keys(rows: Array) -> list[bytes]:
        """Equal for equal configurations."""
        rounded = numpy.nan_to_num(rows, nan=-9.0).round(9) + 0.0  # no -0.0
        return [row.tobytes() for row in rounded]

    def _columns(self, parts: list[Array], rows: Array) -> Array:
        return numpy.concatenate(parts, axis=1) if parts else numpy.zeros((len(rows), 0))

    def _full(self, rng: numpy.random.Generator, count: int) -> Array:
        """A coordinate everywhere, also out of the branches."""
        return numpy.stack([axis.draw(rng, count) for axis in self._axes], axis=1) if self._axes else _empty(count)

    def _branched(self, rows: Array) -> Array:
        """NaN where an entry's conditions do not hold; what it hangs on comes before it."""
        for place, entry in enumerate(self._entries):
            rows[~self._active(entry, rows), place] = numpy.nan
        return rows

    def _active(self, entry: Entry, rows: Array) -> numpy.ndarray:
        active = numpy.ones(len(rows), dtype=bool)
        for condition in entry.when:
            parent = self._places[condition.name]
            wanted = self._axes[parent].coordinates(condition.values)
            active &= (numpy.abs(rows[:, parent, None] - wanted) < 1e-9).any(axis=1)  # False for NaN
        return active


def _empty(count: int) -> Array:
    return numpy.zeros((count, 0))
