"""Who is in a sweep: the trials that a driver holds, those of them that wait, and the numbers that are given."""

from __future__ import annotations

import itertools
from bisect import insort
from collections.abc import Iterable, Iterator

from gradfleet.study.driving.live import LiveTrial


class Roster:
    """The live trials by number. One waits for a worker, is paused until its scheduler decides, or runs."""

    def __init__(self) -> None:
        self._live: dict[int, LiveTrial] = {}
        self._given: set[int] = set()
        self._waiting: list[int] = []
        self._paused: set[int] = set()

    def __getitem__(self, number: int) -> LiveTrial:
        return self._live[number]

    def __iter__(self) -> Iterator[LiveTrial]:
        return iter(list(self._live.values()))

    @property
    def num_given(self) -> int:
        """How many trials the study has, ended ones included."""
        return len(self._given)

    @property
    def next_number(self) -> int:
        return next(number for number in itertools.count() if number not in self._given)

    @property
    def is_busy(self) -> bool:
        """Whether a trial runs or waits for a worker."""
        return len(self._live) > len(self._paused)

    def know(self, numbers: Iterable[int]) -> None:
        """Numbers that are given already."""
        self._given.update(numbers)

    def add(self, live: LiveTrial) -> LiveTrial:
        number = live.plan.number
        self._given.add(number)
        self._live[number] = live
        return live

    def remove(self, number: int) -> LiveTrial:
        """It has ended."""
        self._paused.discard(number)
        return self._live.pop(number)

    def line_up(self, number: int) -> None:
        """It waits for a worker; those with a lower number are before it."""
        insort(self._waiting, number)

    def next_waiting(self) -> LiveTrial | None:
        return self._live[self._waiting.pop(0)] if self._waiting else None

    def pause(self, number: int) -> None:
        """Its scheduler has it wait for others, and its worker has let go of it."""
        self._paused.add(number)

    def rests(self, number: int) -> bool:
        """Whether it is paused, so that it may go on elsewhere, or end."""
        return number in self._paused

    def wake(self, number: int) -> LiveTrial:
        self._paused.discard(number)
        live = self._live[number]
        live.paused = False
        return live
