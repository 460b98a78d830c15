"""Every configuration of a finite space."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from gradfleet.errors import SpaceError
from gradfleet.search.choice import Choice
from gradfleet.search.dimensions import Dimension
from gradfleet.search.ranges import Float
from gradfleet.search.space import SearchSpace
from gradfleet.search.suggester import Config, Value


class Grid:
    """All configurations of a space, one by one; the last dimension changes fastest, a branch is there with its own.

    Example:
        >>> from gradfleet.search.space import Entry
        >>> space = SearchSpace((Entry("a", Choice(1, 2)), Entry("b", Choice("x", "y"))))
        >>> len(Grid(space)), next(iter(Grid(space)))
        (4, {'a': 1, 'b': 'x'})

    Raises:
        SpaceError: a dimension has no finite number of values; all of those are named.
    """

    def __init__(self, space: SearchSpace) -> None:
        if endless := [entry for entry in space.entries if _is_endless(entry.dimension)]:
            named = "; ".join(f"{entry.name!r} is {entry.dimension!r}" for entry in endless)
            raise SpaceError(f"A grid needs finite dimensions: {named}. Give each a step, or make it a Choice.")
        self._entries = space.entries
        self._values = {entry.name: values(entry.dimension) for entry in space.entries}
        self._parents = {condition.name for entry in space.entries for condition in entry.when}

    def __iter__(self) -> Iterator[Config]:
        return self._below(0, {})

    def __len__(self) -> int:
        return self._count(0, {})

    def _below(self, place: int, config: Config) -> Iterator[Config]:
        if place == len(self._entries):
            yield config
        elif (entry := self._entries[place]).active(config):
            for value in self._values[entry.name]:
                yield from self._below(place + 1, {**config, entry.name: value})
        else:
            yield from self._below(place + 1, config)

    def _count(self, place: int, config: Config) -> int:
        """How many there are below; only a dimension that another hangs on has to be gone through value by value."""
        if place == len(self._entries):
            return 1
        entry = self._entries[place]
        if not entry.active(config):
            return self._count(place + 1, config)
        mine = self._values[entry.name]
        if entry.name not in self._parents:
            return len(mine) * self._count(place + 1, config)
        return sum(self._count(place + 1, {**config, entry.name: value}) for value in mine)


class Remaining:
    """The configurations of a grid that nobody has taken yet, in order."""

    def __init__(self, grid: Iterable[Config]) -> None:
        self._configs = iter(grid)
        self._next: Config | None = None
        self._taken: set[str] = set()

    @property
    def done(self) -> bool:
        return self._look() is None

    def next(self) -> Config:
        """The next one; it stays that until it is taken."""
        config = self._look()
        assert config is not None, "nobody asks a grid that is done"
        return config

    def take(self, config: Config) -> None:
        self._taken.add(_key(config))

    def _look(self) -> Config | None:
        while self._next is None or _key(self._next) in self._taken:
            self._next = next(self._configs, None)
            if self._next is None:
                return None
        return self._next


def values(dimension: Dimension) -> Sequence[Value]:
    """All values of a finite dimension, in order."""
    if isinstance(dimension, Choice):
        return dimension.choices
    if isinstance(dimension, Float):
        assert dimension.step is not None, "an endless dimension has no list of values"
        steps = round((dimension.high - dimension.low) / dimension.step)
        # As Optuna draws them: a value of the grid must be one that the space has.
        return [min(dimension.low + step * dimension.step, dimension.high) for step in range(steps + 1)]
    return range(dimension.low, dimension.high + 1, dimension.step)


def _is_endless(dimension: Dimension) -> bool:
    return isinstance(dimension, Float) and dimension.step is None


def _key(config: Config) -> str:
    return json.dumps(config)  # 1 and True are equal, and different choices
