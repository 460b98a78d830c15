"""A search space: named dimensions in order, some of them only where others have certain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gradfleet.errors import Problems, SpaceError, unknown_name
from gradfleet.search.choice import Choice as Choice
from gradfleet.search.dimensions import Dimension, check_dimension, dimension_from_json, dimension_to_json
from gradfleet.search.ranges import Float as Float
from gradfleet.search.ranges import Int as Int
from gradfleet.search.suggester import Config, Suggester, Value, plain


@dataclass(frozen=True, slots=True)
class When:
    """Holds where the dimension called `name` is itself drawn and has one of `values`."""

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _in_tuple(self.name, self.values))

    def holds(self, config: Mapping[str, Value]) -> bool:
        return self.name in config and config[self.name] in self.values

    def __str__(self) -> str:
        return f"{self.name}={' or '.join(map(repr, self.values))}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A dimension under its name; drawn only where every one of `when` holds."""

    name: str
    dimension: Dimension
    when: tuple[When, ...] = ()

    def __post_init__(self) -> None:
        check_dimension(self.name, self.dimension)
        object.__setattr__(self, "when", _conditions(self.name, self.when))

    def active(self, config: Mapping[str, Value]) -> bool:
        return all(condition.holds(config) for condition in self.when)

    def __str__(self) -> str:
        return " ".join([repr(self.dimension), *(f"when {condition}" for condition in self.when)])


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """What is searched. Called with a trial, it draws a flat configuration from it, branch by branch.

    Branches nest: an entry may hang on any entry before it, and is left out with it.

    Example:
        >>> space = SearchSpace((
        ...     Entry("optimizer", Choice("sgd", "adam")),
        ...     Entry("optimizer.sgd.momentum", Float(0.0, 0.98), (When("optimizer", ("sgd",)),)),
        ... ))
        >>> space.default()
        {'optimizer': 'sgd', 'optimizer.sgd.momentum': 0.49}

    Raises:
        SpaceError: a name twice, or a condition on what is not there, comes later, or never has that value.
    """

    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple(self.entries))
        problems = [problem for place, entry in enumerate(self.entries) for problem in self._problems(place, entry)]
        if problems := problems or list(self._contradictions()):
            raise SpaceError(problems)

    @classmethod
    def of(cls, dimensions: Mapping[str, Dimension]) -> SearchSpace:
        """The space of dimensions by name, all of them always there.

        Raises:
            SpaceError: some are no dimensions; all of them are listed.
        """
        problems, entries = Problems(), []
        for name, dimension in dimensions.items():
            with problems:
                entries.append(Entry(name, dimension))
        if problems:
            raise SpaceError(problems)
        return cls(tuple(entries))

    def _problems(self, place: int, entry: Entry) -> Iterator[str]:
        before = {earlier.name: earlier.dimension for earlier in self.entries[:place]}
        if entry.name in before:
            yield f"Every dimension needs its own name, got {entry.name!r} twice."
        for condition in entry.when:
            if condition.name not in before:
                yield f"{entry.name!r} hangs on {condition.name!r}, which has to come before it. " + unknown_name(
                    "earlier dimension", condition.name, before
                )
                continue
            wrong = [value for value in condition.values if before[condition.name].problem(value)]
            if wrong or not condition.values:
                parent = before[condition.name]
                yield f"{entry.name!r} is never drawn: {condition.name!r} is {parent!r}, the condition {condition}."

    def _contradictions(self) -> Iterator[str]:
        """What no configuration can have, for its branch and those that this one hangs on exclude each other."""
        allowed: dict[str, dict[str, tuple[Value, ...]]] = {}  # by entry: what each dimension above it has to be
        for entry in self.entries:
            mine = allowed[entry.name] = {}
            for condition in entry.when:
                for name, values in [(condition.name, condition.values), *allowed[condition.name].items()]:
                    mine[name] = tuple(value for value in values if value in mine.get(name, values))
            for name in [name for name, values in mine.items() if not values]:
                yield f"{entry.name!r} is never drawn: what it hangs on asks for different values of {name!r}."

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries)

    def __getitem__(self, name: str) -> Dimension:
        """The dimension of this name.

        Raises:
            SpaceError: there is none.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry.dimension
        raise SpaceError(unknown_name("dimension", name, self.names))

    def __call__(self, trial: Suggester) -> Config:
        """A configuration drawn by `trial`: an Optuna trial, or anything with its `suggest_` methods."""
        return self._walk(lambda entry, _: entry.dimension.suggest(trial, entry.name))

    def default(self) -> Config:
        """The configuration that every dimension starts with: trial 0."""
        return self._walk(lambda entry, _: entry.dimension.start)

    def complete(self, config: Mapping[str, Value]) -> Config:
        """`config` with the default of every dimension that it leaves out.

        Raises:
            SpaceError: what `config` does say is not of this space.
        """
        given = dict(config)
        return self.validate(given | self._walk(lambda entry, _: given.get(entry.name, entry.dimension.start)))

    def validate(self, config: Mapping[str, Value]) -> Config:
        """The same configuration, in the order of the space and in Python's own numbers.

        Raises:
            SpaceError: every name, value and branch that is not of this space, and every one that is missing.
        """
        config = {name: plain(value) for name, value in config.items()}
        problems = [unknown_name("dimension", name, self.names) for name in config if name not in self.names]
        taken: Config = {}  # what hangs on a value out of its own branch is out of its branch too
        for entry in self.entries:
            problems += _misfits(entry, config, taken)
            if entry.name in config and entry.active(taken):
                taken[entry.name] = config[entry.name]
        if problems:
            raise SpaceError(problems)
        return taken

    def difference(self, other: SearchSpace) -> list[str]:
        """What has changed from this space to `other`, one sentence a dimension; empty when they are equal."""
        mine, others = ({entry.name: str(entry) for entry in space.entries} for space in (self, other))
        gone = [f"{name!r} is gone; it was {text}." for name, text in mine.items() if name not in others]
        new = [f"{name!r} is new: {text}." for name, text in others.items() if name not in mine]
        changed = [
            f"{name!r} was {text} and is {others[name]}."
            for name, text in mine.items()
            if name in others and others[name] != text
        ]
        if not (gone or new or changed) and self != other:
            return [f"The order was {', '.join(mine)} and is {', '.join(others)}."]
        return gone + new + changed

    def to_json(self) -> dict[str, Any]:
        """`{"dimensions": [{"name", "type", ..., "when"}]}`, in order."""
        return {"dimensions": [_entry_to_json(entry) for entry in self.entries]}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> SearchSpace:
        """The space that `to_json` wrote.

        Raises:
            SpaceError: it is no such thing.
        """
        try:
            return cls(tuple(_entry_from_json(entry) for entry in fields["dimensions"]))
        except (KeyError, TypeError) as error:
            raise SpaceError(f"This is not the JSON form of a search space: {error!r}.") from error

    def _walk(self, pick: Callable[[Entry, Config], Value]) -> Config:
        config: Config = {}
        for entry in self.entries:
            if entry.active(config):
                config[entry.name] = pick(entry, config)
        return config


def _in_tuple(name: str, values: object) -> tuple[Value, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SpaceError(f"When takes its values in a tuple: When({name!r}, ({values!r},)).")
    return tuple(values)


def _conditions(name: str, when: object) -> tuple[When, ...]:
    conditions = (when,) if isinstance(when, When) else tuple(when) if isinstance(when, Iterable) else (when,)
    if wrong := [one for one in conditions if not isinstance(one, When)]:
        raise SpaceError(f"{name!r} hangs on conditions such as When('kernel', ('rbf',)), got {wrong[0]!r}.")
    return conditions


def _misfits(entry: Entry, config: Mapping[str, Value], taken: Config) -> Iterator[str]:
    if entry.active(taken):
        if entry.name not in config:
            yield f"{entry.name!r} is missing: {entry.dimension!r}."
        elif problem := entry.dimension.problem(config[entry.name]):
            yield f"{entry.name!r} {problem}."
    elif entry.name in config:
        conditions = " and ".join(map(str, entry.when))
        yield f"{entry.name!r} is only there with {conditions}, and this configuration is not; leave it out."


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    when = [{"name": condition.name, "values": list(condition.values)} for condition in entry.when]
    return {"name": entry.name, **dimension_to_json(entry.dimension), **({"when": when} if when else {})}


def _entry_from_json(fields: Mapping[str, Any]) -> Entry:
    settings = dict(fields)
    name = settings.pop("name")
    when = tuple(When(each["name"], tuple(each["values"])) for each in settings.pop("when", ()))
    return Entry(name, dimension_from_json(settings), when)
