"""Who draws the values of a search, and what values there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Value = str | int | float | bool | None
Config = dict[str, Value]


class Suggester(Protocol):
    """Draws values under names: an Optuna trial, or anything with its three methods."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value: ...
