"""The seam of schedulers: who may train on, record by record, and what runs before a new trial does."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from gradfleet.objective import Objective
from gradfleet.search.space import SearchSpace
from gradfleet.study.origin import Origin
from gradfleet.training.history import EpochRecord

if TYPE_CHECKING:
    from gradfleet.trials.plan import Config


class Verdict(Enum):
    """What becomes of a trial after a record: it trains on, it waits for others, or it has ended."""

    GO_ON = "go on"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Resume:
    """A trial that waited trains on."""

    number: int


@dataclass(frozen=True, slots=True)
class Drop:
    """A trial that waited has ended, for this reason."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fork:
    """A new trial goes on from another's weights, with another configuration."""

    origin: Origin
    config: Config


Move: TypeAlias = Resume | Drop | Fork


class Scheduler(ABC):
    """Decides, record by record, which trials may train on, and what happens before a new trial begins.

    A resumed sweep hands it every record and end of the study again, in the order in which they happened, so what it
    decides may depend on nothing else.
    """

    @abstractmethod
    def judge(self, number: int, record: EpochRecord) -> Verdict:
        """What becomes of trial `number` after this record."""

    @abstractmethod
    def ended(self, number: int, last: EpochRecord | None) -> None:
        """The trial has ended; `last` is its last record, None when it has none."""

    @property
    def usual_epochs(self) -> float | None:
        """How many epochs a trial has once many are there to be compared with; None where nobody can say."""
        return None

    # What a scheduler that lets trials wait has to say beside; the others need none of it.

    @property
    def milestones(self) -> tuple[int, ...]:
        """The epochs at which a trial may have to wait: it writes a checkpoint there."""
        return ()

    @property
    def takes_new(self) -> bool:
        """Whether new trials may begin."""
        return True

    def began(self, number: int, config: Config, origin: Origin | None) -> None:
        """A trial is there; a resumed sweep says so of all its trials before the first record."""
        return

    def next_move(self) -> Move | None:
        """What is to happen before any new trial begins; the same until it is made."""
        return None

    def made(self, move: Move) -> None:
        """The move is made; a Fork is made by its trial, see `began`."""
        return

    def why_waiting(self, number: int) -> str | None:
        """Why a trial waits, for when the search ends and it still does."""
        return None


class NoScheduler(Scheduler):
    """Lets every trial run to its end."""

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        return Verdict.GO_ON

    def ended(self, number: int, last: EpochRecord | None) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a scheduler must know of its sweep.

    Attributes:
        epochs: of one trial at most.
        space: what is searched; a scheduler that makes trials of its own draws from it.
        trials: how many the search may have in all; None for no limit.
    """

    objective: Objective
    epochs: int
    space: SearchSpace
    seed: int = 0
    trials: int | None = None

    def score(self, metrics: Mapping[str, float]) -> float:
        """The objective's value, turned so that the larger is the better.

        Infinitely bad is NaN, as what has diverged is; infinitely good is the largest float, of which differences and
        quantiles can be taken.
        """
        value = self.objective.value(metrics)
        score = value if self.objective.mode == "max" else -value
        return math.nan if score == -math.inf else min(score, sys.float_info.max)


class SchedulerOptions(Protocol):
    """A scheduler's settings: a frozen value that checks itself and builds it."""

    @property
    def single(self) -> bool:
        """Whether it follows one objective only."""
        ...

    def problems(self, *, epochs: int, trials: int | None) -> list[str]:
        """Why it cannot be for trials of so many epochs, and so many trials."""
        ...

    def build(self, course: Course) -> Scheduler: ...

    def to_json(self) -> dict[str, Any]:
        """Its name as `name`, and its settings."""
        ...
