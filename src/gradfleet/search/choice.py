"""A dimension of named or otherwise separate values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from gradfleet.errors import SpaceError
from gradfleet.search.suggester import Suggester, Value, plain


class NotGiven(Enum):
    NOT_GIVEN = "not given"


# None may be one of the choices, so it cannot say that no default was given.
NOT_GIVEN: Final = NotGiven.NOT_GIVEN


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Choice:
    """One of several values; a single one is a constant.

    Attributes:
        choices: strings, numbers, booleans or None. Anything else is registered with the Tuner under a name.
        default: where the search starts. Without one it is the first.

    Example:
        >>> Choice("relu", "gelu", default="gelu").start
        'gelu'

    Raises:
        SpaceError: no choice, two equal ones, one that is no plain value, a default that is none of them.
    """

    choices: tuple[Value, ...]
    default: Value | Literal[NotGiven.NOT_GIVEN]

    def __init__(self, *choices: Value, default: Value | Literal[NotGiven.NOT_GIVEN] = NOT_GIVEN) -> None:
        object.__setattr__(self, "choices", tuple(map(plain, choices)))
        object.__setattr__(self, "default", default if default is NOT_GIVEN else plain(default))
        if not choices:
            raise SpaceError("Choice needs at least one value, got none.")
        self._check_values()
        if self.default is not NOT_GIVEN and (problem := self.problem(self.default)):
            raise SpaceError(f"The default of {self!r} {problem}.")

    def _check_values(self) -> None:
        if len(self.choices) == 1 and isinstance(self.choices[0], list | tuple):
            raise SpaceError(f"Choice takes its values one by one: Choice(*{self.choices[0]!r}).")
        for place, value in enumerate(self.choices):
            if not _is_value(value):
                raise SpaceError(
                    f"Choice takes strings, finite numbers, booleans and None, got {value!r}. "
                    "Register other objects with the Tuner under a name."
                )
            if value in self.choices[:place]:
                raise SpaceError(
                    f"Choice needs different values, got {value!r} twice in {self.choices!r} (1 equals True)."
                )

    @property
    def start(self) -> Value:
        """The default, else the first."""
        return self.choices[0] if self.default is NOT_GIVEN else self.default

    def problem(self, value: object) -> str | None:
        """Why `value` is none of this dimension; None when it is one."""
        if any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in self.choices):
            return None
        return f"needs one of {', '.join(map(repr, self.choices))}, got {value!r}"

    def suggest(self, trial: Suggester, name: str) -> Value:
        return trial.suggest_categorical(name, self.choices)

    def __repr__(self) -> str:
        default = () if self.default is NOT_GIVEN else (f"default={self.default!r}",)
        return f"Choice({', '.join([*map(repr, self.choices), *default])})"

    def __eq__(self, other: object) -> bool:
        # By their text, because 1 == True and yet they are different choices.
        return isinstance(other, Choice) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


def _is_value(value: object) -> bool:
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
