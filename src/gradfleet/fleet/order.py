"""Order: a whole sweep as one value."""

from __future__ import annotations

from dataclasses import dataclass

from gradfleet.data.prepared import DataRef
from gradfleet.fleet.settings import SweepSettings
from gradfleet.search.space import SearchSpace
from gradfleet.trials.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a driver is told: all of a sweep, so that this process or another one can run it.

    Attributes:
        study: its name; the driver finds it in the store.
        started: Unix time in seconds at which the user's call began; the time budget counts from it.
    """

    study: str
    recipe: Recipe
    space: SearchSpace
    settings: SweepSettings
    data: DataRef | None
    started: float
