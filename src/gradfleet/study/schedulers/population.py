"""Population based training, as a chain of trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy

from gradfleet.errors import SettingError
from gradfleet.study.origin import Origin
from gradfleet.study.schedulers.checks import count_problems
from gradfleet.study.schedulers.explore import explored, variable
from gradfleet.study.schedulers.scheduler import Course, Drop, Fork, Move, Resume, Scheduler, Verdict
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Trains a population side by side; every few epochs copies of the best take the place of the worst, changed a bit.

    Jaderberg et al., 2017, arXiv:1711.09846, with truncation selection, and with everybody waiting for everybody, so
    that the same seed gives the same search on any number of workers. A copy is a new trial: it goes on from its
    parent's weights, under its own number, and counts like any other trial. The search ends when the population has
    had all its epochs; where `trials` leaves no room for copies, everybody trains on.

    Attributes:
        size: how many train side by side; the first trials of the search.
        interval: epochs between two selections; None is a tenth of all, at least 1.
        quantile: the share that is replaced, and that is copied; a fifth in the paper.
        resample: how likely a copy draws a value anew instead of changing it.
        vary: the dimensions that may change; None for all that leave weights and optimizer as they are.

    Raises:
        SettingError: with every setting that cannot be.
    """

    size: int = 8
    interval: int | None = None
    quantile: float = 0.2
    resample: float = 0.25
    vary: Sequence[str] | None = None

    def __post_init__(self) -> None:
        found = [*count_problems("Population", "size", self.size, least=2)]
        if self.interval is not None:
            found += count_problems("Population", "interval", self.interval)
        if not 0 < self.quantile <= 0.5:
            found.append(f"quantile of Population is above 0 and at most 0.5, got {self.quantile!r}.")
        if not 0 <= self.resample <= 1:
            found.append(f"resample of Population is from 0 to 1, got {self.resample!r}.")
        if isinstance(self.vary, str) or self.vary == ():
            found.append(f"vary of Population is a tuple of names, or None for all; got {self.vary!r}.")
        if found:
            raise SettingError(found)

    @property
    def single(self) -> bool:
        return True

    def problems(self, *, epochs: int, trials: int | None) -> list[str]:
        found = []
        if trials is not None and trials < self.size:
            found.append(f"A population of {self.size} needs as many trials, and room for copies; got trials={trials}.")
        if self._interval(epochs) >= epochs:
            found.append(
                f"A population that is selected every {self._interval(epochs)} epochs needs more than that, got "
                f"epochs={epochs}."
            )
        return found

    def build(self, course: Course) -> PopulationScheduler:
        return PopulationScheduler(course, self, interval=self._interval(course.epochs))

    def to_json(self) -> dict[str, Any]:
        return {"name": "pbt", **asdict(self), "vary": None if self.vary is None else list(self.vary)}

    def _interval(self, epochs: int) -> int:
        return max(1, epochs // 10) if self.interval is None else self.interval


class PopulationScheduler(Scheduler):
    """A population as a list of members: a trial's number, or the copy that will take the place.

    What it decides follows from the records, the seed and the trials that are there. A resumed sweep finds the copies
    that were made by their origin, and what was decided but not done is a move again.
    """

    def __init__(self, course: Course, options: Population, *, interval: int) -> None:
        self._course = course
        self._options = options
        self._interval = interval
        self._vary = variable(course.space, options.vary)
        self._members: list[int | Fork] = []
        self._started = 0
        self._begun = 0
        self._configs: dict[int, Config] = {}
        self._copies: dict[Origin, int] = {}
        self._waiting: dict[int, tuple[int, float]] = {}
        self._moves: list[Move] = []
        self._selections = 0

    @property
    def milestones(self) -> tuple[int, ...]:
        return tuple(range(self._interval, self._course.epochs, self._interval))

    @property
    def takes_new(self) -> bool:
        return self._started < self._options.size

    def began(self, number: int, config: Config, origin: Origin | None) -> None:
        self._begun += 1
        self._configs[number] = config
        if origin is not None:
            self._copies[origin] = number
            self._members = [number if _is_copy(one, origin) else one for one in self._members]
        elif self.takes_new:
            self._started += 1
            self._members.append(number)

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        """At the end of an interval everybody waits for the last one; NaN is the worst of all."""
        self._goes_on(number)
        is_due = record.epoch >= self._interval * (self._selections + 1)
        if number not in self._members or not is_due or record.epoch >= self._course.epochs:
            return Verdict.GO_ON
        score = self._course.score(record.metrics)
        self._waiting[number] = record.epoch, -math.inf if math.isnan(score) else score
        self._select_when_complete()
        return Verdict.PAUSE

    def ended(self, number: int, last: EpochRecord | None) -> None:
        """It leaves the population, which goes on without it."""
        self._moves = [move for move in self._moves if move != Resume(number) and not _drops(move, number)]
        self._members = [member for member in self._members if member != number]
        self._waiting.pop(number, None)
        self._select_when_complete()

    def next_move(self) -> Move | None:
        return self._moves[0] if self._moves else None

    def made(self, move: Move) -> None:
        self._moves.remove(move)

    def why_waiting(self, number: int) -> str | None:
        return None

    def _select_when_complete(self) -> None:
        waiting = [isinstance(member, int) and member in self._waiting for member in self._members]
        if waiting and all(waiting) and not self.takes_new:
            self._select()

    def _select(self) -> None:
        """Drops come first, then copies, while their parents still wait, then everybody goes on."""
        numbers = [member for member in self._members if isinstance(member, int)]
        ranked = sorted(numbers, key=lambda number: (-self._waiting[number][1], number))
        count = min(math.ceil(len(ranked) * self._options.quantile), len(ranked) // 2)
        drops: list[Move] = []
        copies: list[Move] = []
        for loser in reversed(ranked[len(ranked) - count :]):
            fork = self._fork(loser, ranked[:count])
            if fork is None or not (fork.origin in self._copies or self._has_room(len(copies))):
                continue
            copy = self._copies.get(fork.origin)
            self._members[self._members.index(loser)] = fork if copy is None else copy
            drops.append(Drop(loser, _why(fork.origin)))
            if copy is None:
                copies.append(fork)
        survivors = [number for number in numbers if number in self._members]
        self._moves = [*drops, *copies, *(Resume(number) for number in survivors)]
        self._waiting.clear()
        self._selections += 1

    def _fork(self, loser: int, best: list[int]) -> Fork | None:
        """A copy of one of the best, in the place of one that is worse."""
        chance = numpy.random.default_rng([self._course.seed, self._selections, loser])
        parent = best[int(chance.integers(len(best)))]
        epoch, score = self._waiting[parent]
        if score <= self._waiting[loser][1]:
            return None
        config = explored(
            self._configs[parent],
            self._course.space,
            vary=self._vary,
            resample=self._options.resample,
            chance=chance,
        )
        return Fork(Origin(parent, epoch, loser), config)

    def _has_room(self, more: int) -> bool:
        return self._course.trials is None or self._begun + more < self._course.trials

    def _goes_on(self, number: int) -> None:
        """A record shows that it went on: where it would be replaced now, there was no room for a copy then."""
        if any(_drops(move, number) for move in self._moves):
            self._members = [number if _replaces(member, number) else member for member in self._members]
        self._moves = [
            move
            for move in self._moves
            if move != Resume(number) and not _drops(move, number) and not _replaces(move, number)
        ]


def _drops(move: Move, number: int) -> bool:
    return isinstance(move, Drop) and move.number == number


def _replaces(member: object, number: int) -> bool:
    return isinstance(member, Fork) and member.origin.replaces == number


def _is_copy(member: int | Fork, origin: Origin) -> bool:
    return isinstance(member, Fork) and member.origin == origin


def _why(origin: Origin) -> str:
    return f"A copy of trial {origin.parent} took its place after epoch {origin.epoch}."
