"""A registered callable whose parameters the search varies: an architecture, an optimizer or a callback."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import Parameter
from typing import Any

from gradfleet.errors import SpaceError, unknown_name
from gradfleet.search.choice import NOT_GIVEN, Choice
from gradfleet.search.dimensions import Dimension, check_dimension
from gradfleet.search.suggester import Value

_GATHERS = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Builder:
    """A callable, and those of its parameters that are dimensions.

    Attributes:
        prefix: what the names of its dimensions begin with, such as `architecture.cnn`.
        make: the callable itself.
        dimensions: by parameter.
        provided: parameters that somebody else hands in.
        aliases: our word for one of its parameters.
        own_starts: whether a dimension without a default starts with the callable's own, where that is in range.

    Raises:
        SpaceError: a dimension is none of the callable's parameters; those it has are listed.
    """

    prefix: str
    make: Callable[..., Any]
    dimensions: Mapping[str, Dimension]
    provided: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    own_starts: bool = True

    def __post_init__(self) -> None:
        for name, dimension in self.dimensions.items():
            check_dimension(f"{self.prefix}.{name}", dimension)
        problems = [problem for name in self.dimensions for problem in self.problems(name)]
        if problems:
            raise SpaceError(problems)

    def problems(self, parameter: str) -> Iterator[str]:
        """Why `parameter` cannot be a dimension of this callable."""
        if parameter not in self._signature() and not self._takes_any():
            yield unknown_name(f"parameter of {self.prefix!r}", parameter, self.parameters())

    def parameters(self) -> list[str]:
        """The parameters that can be dimensions."""
        signature = self._signature().items()
        return [name for name, parameter in signature if parameter.kind not in _GATHERS and name not in self.provided]

    def missing(self, given: Collection[str]) -> list[str]:
        """Parameters without a default that nobody gives a value."""
        signature = self._signature()
        return [name for name in self.parameters() if signature[name].default is Parameter.empty and name not in given]

    def started(self, parameter: str, dimension: Dimension) -> Dimension:
        """`dimension` with the callable's own default, unless it has one of its own or that is out of its range."""
        known = self._signature().get(parameter)
        if known is None or not self.own_starts or _has_default(dimension) or dimension.problem(known.default):
            return dimension
        if isinstance(dimension, Choice):
            return Choice(*dimension.choices, default=known.default)
        return replace(dimension, default=known.default)

    def arguments(self, config: Mapping[str, Value]) -> dict[str, Value]:
        """What `config` says of this callable's parameters."""
        start = f"{self.prefix}."
        return {name.removeprefix(start): value for name, value in config.items() if name.startswith(start)}

    @property
    def fitted_at_once(self) -> bool:
        """Whether what it makes says of itself that nothing of it is trained; see `DataNetwork.fitted_at_once`."""
        make = self.make
        while isinstance(make, partial):
            make = make.func
        return bool(getattr(make, "fitted_at_once", False))

    def names(self, parameter: str) -> bool:
        """Whether the callable's signature has a parameter of this very name."""
        return parameter in self._signature()

    def _signature(self) -> dict[str, Parameter]:
        try:
            parameters = inspect.signature(self.make).parameters
        except (TypeError, ValueError):  # Some callables written in C have no signature.
            return {"parameters": Parameter("parameters", Parameter.VAR_KEYWORD)}
        return {
            self.aliases.get(name, name): parameter
            for name, parameter in parameters.items()
            if parameter.kind is not Parameter.POSITIONAL_ONLY
        }

    def _takes_any(self) -> bool:
        return any(parameter.kind is Parameter.VAR_KEYWORD for parameter in self._signature().values())


def first_parameter(make: Callable[..., Any]) -> tuple[str, ...]:
    """The name of what a callable takes first, such as an optimizer its `params`; empty when it cannot be told."""
    try:
        return tuple(inspect.signature(make).parameters)[:1]
    except (TypeError, ValueError):
        return ()


def _has_default(dimension: Dimension) -> bool:
    return dimension.default is not (NOT_GIVEN if isinstance(dimension, Choice) else None)
