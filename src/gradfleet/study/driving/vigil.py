"""Who has not been heard of for too long: a worker that hangs neither ends nor fails by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

FLOOR = 600.0
"""Seconds; without a limit of the user's no trial counts as hanging before."""

PATIENCE = 20
"""Without a limit of the user's: as many times the longest wait for a record that this sweep has seen."""

_ASLEEP = 5.0  # seconds between two looks after which it was the driver itself that did not listen


class Vigil:
    """Listens to the running trials.

    Until a first record has come there is no measure, and without `limit` nobody is overdue.

    Args:
        limit: seconds without a record; None takes `PATIENCE` times the longest wait so far, and `FLOOR` at least.
        clock: in seconds; only differences count.
    """

    def __init__(self, limit: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._longest: float | None = None
        self._heard: dict[int, float] = {}
        self._looked = clock()

    @property
    def limit(self) -> float | None:
        """Seconds; None while there is no measure."""
        if self._limit is not None or self._longest is None:
            return self._limit
        return max(FLOOR, PATIENCE * self._longest)

    def begins(self, number: int) -> None:
        self._heard[number] = self._clock()

    def heard(self, number: int) -> None:
        """A record has come."""
        now = self._clock()
        self._longest = max(self._longest or 0.0, now - self._heard.get(number, now))
        self._heard[number] = now

    def ends(self, number: int) -> None:
        self._heard.pop(number, None)

    def overdue(self) -> list[int]:
        """The trials that hang. To be called all the time: what the driver slept through counts for nobody."""
        now = self._clock()
        if now - self._looked > _ASLEEP:
            self._heard = {number: heard + now - self._looked for number, heard in self._heard.items()}
        self._looked = now
        limit = self.limit
        return [] if limit is None else [number for number, heard in self._heard.items() if now - heard > limit]
