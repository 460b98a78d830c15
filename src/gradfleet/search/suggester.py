"""Who draws the values of a search, and what values there are."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Protocol

Value = str | int | float | bool | None
Config = dict[str, Value]


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's: JSON gives them back as they are, and checkpoints hold no others."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


class Suggester(Protocol):
    """Draws values under names: an Optuna trial, or anything with its three methods."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value: ...
