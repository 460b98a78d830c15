"""The Pareto front: what nothing else beats in every objective at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

Losses = tuple[float, ...]
"""Each objective as a number that is better the smaller it is."""


def dominates(one: Losses, other: Losses) -> bool:
    """Whether `one` is nowhere worse and somewhere better."""
    return one != other and all(mine <= yours for mine, yours in zip(one, other, strict=True))


def undominated(losses: Mapping[int, Losses]) -> list[int]:
    """The numbers that nothing dominates, by their losses; what has no number in an objective is not among them."""
    front: list[int] = []
    complete = {number: values for number, values in losses.items() if all(map(math.isfinite, values))}
    # What dominates comes before what it dominates in this order, so that the front alone has to be asked.
    for number in sorted(complete, key=lambda number: (complete[number], number)):
        if not any(dominates(complete[other], complete[number]) for other in front):
            front.append(number)
    return front


class Front:
    """A front that grows record by record."""

    def __init__(self) -> None:
        self._held: list[Losses] = []

    def offer(self, losses: Losses) -> bool:
        """Take in one point; whether it moved the front."""
        if not all(map(math.isfinite, losses)) or self.beats(losses) or losses in self._held:
            return False
        self._held = [other for other in self._held if not dominates(losses, other)] + [losses]
        return True

    def beats(self, losses: Losses) -> bool:
        """Whether any point of the front dominates this one."""
        return any(dominates(other, losses) for other in self._held)
