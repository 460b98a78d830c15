"""The settings of `compile` and `fit` that a search varies, checked before a trial meets a value that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gradfleet.errors import Problems
from gradfleet.search.choice import Choice
from gradfleet.search.dimensions import Dimension
from gradfleet.search.space import SearchSpace
from gradfleet.search.suggester import Value
from gradfleet.search.tuner import SETTINGS
from gradfleet.training.fit_settings import FitSettings
from gradfleet.training.optimizers.layer_rates import LayerRates
from gradfleet.training.settings import TrainingSettings

_CHECKS: dict[str, Callable[[Any], object]] = {
    "batch_size": lambda value: FitSettings(epochs=0, batch_size=value),
    "layer_decay": lambda value: None if value is None else LayerRates(decay=value),
}
"""What takes a setting that `compile` does not."""


def setting_problems(space: SearchSpace) -> list[str]:
    """Which values of the space's settings would be refused by what they are for, a sentence each.

    Of a range its two ends are looked at.
    """
    problems = [problem for entry in space.entries for problem in _problems(entry.name, entry.dimension)]
    return list(dict.fromkeys(problems))


def _problems(name: str, dimension: Dimension) -> Iterator[str]:
    setting = _setting(name)
    if setting is None:
        return
    for value in _looked_at(dimension):
        problems = Problems()
        with problems:
            _CHECKS.get(setting, lambda one: TrainingSettings(**{setting: one}))(value)
        yield from (f"The dimension {name!r}, {dimension!r}, cannot be: {problem}" for problem in problems)


def _setting(name: str) -> str | None:
    """The setting that a dimension is, by its name; None for another parameter."""
    if name.startswith("optimizer.") and name.endswith(".learning_rate"):
        return "learning_rate"
    return name if name in SETTINGS else None


def _looked_at(dimension: Dimension) -> tuple[Value, ...]:
    return dimension.choices if isinstance(dimension, Choice) else (dimension.low, dimension.high)
