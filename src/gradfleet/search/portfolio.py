"""Known-good configurations that are tried before the sampler draws its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gradfleet.errors import SpaceError
from gradfleet.search.space import SearchSpace
from gradfleet.search.suggester import Config, Value


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Configurations of a space, complete, each once, and without the default, which is tried first in any case.

    Example:
        >>> from gradfleet import Choice
        >>> from gradfleet.search.space import Entry
        >>> space = SearchSpace((Entry("batch_size", Choice(32, 64)), Entry("loss", Choice("a", "b"))))
        >>> Portfolio.of(space, [{"batch_size": 64}, {"batch_size": 32}]).configs
        ({'batch_size': 64, 'loss': 'a'},)
    """

    configs: tuple[Config, ...] = ()

    @classmethod
    def of(cls, space: SearchSpace, known_good: Iterable[Mapping[str, Value]]) -> Portfolio:
        """`known_good` in order; what one of these leaves out is filled with defaults.

        Raises:
            SpaceError: one names or sets what the space does not have; all problems of all of them are listed.
        """
        if isinstance(known_good, Mapping) or not isinstance(known_good, Iterable):
            raise SpaceError(f"A portfolio is a list of configurations, got {known_good!r}.")
        configs, problems = [], []
        for place, config in enumerate(known_good):
            if not isinstance(config, Mapping):
                problems.append(f"Configuration {place} of the portfolio is no dict of values by name, got {config!r}.")
                continue
            try:
                configs.append(space.complete(config))
            except SpaceError as error:
                problems += [f"Configuration {place} of the portfolio: {problem}" for problem in error.problems]
        if problems:
            raise SpaceError(problems)
        seen = [space.default(), *configs]
        return cls(tuple(config for place, config in enumerate(configs, 1) if config not in seen[:place]))

    @classmethod
    def fitting(cls, space: SearchSpace, known_good: Iterable[Mapping[str, Value]]) -> Portfolio:
        """The same of those that are of the space; others are left out."""
        return cls.of(space, [config for config in known_good if _can_be(space, config)])

    def within(self, space: SearchSpace) -> Portfolio:
        """Those of its configurations that `space` has too, without the one that it starts with."""
        return Portfolio(tuple(each for each in self.configs if _has(space, each) and each != space.default()))


def _can_be(space: SearchSpace, config: Mapping[str, Value]) -> bool:
    try:
        space.complete(config)
    except SpaceError:
        return False
    return True


def _has(space: SearchSpace, config: Config) -> bool:
    try:
        space.validate(config)
    except SpaceError:
        return False
    return True
