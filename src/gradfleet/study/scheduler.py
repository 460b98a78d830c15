"""The seam of schedulers: who may train on, record by record, and what runs before a new trial does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from gradfleet.objective import Objective
from gradfleet.search.space import SearchSpace
from gradfleet.training.history import EpochRecord


class Verdict(Enum):
    """What becomes of a trial after a record: it trains on, it waits for others, or it has ended."""

    GO_ON = "go on"
    PAUSE = "pause"
    STOP = "stop"


class Scheduler(ABC):
    """Decides, record by record, which trials may train on.

    A resumed sweep hands it every record and end of the study again, in the order in which they happened, so what it
    decides may depend on nothing else.
    """

    @abstractmethod
    def judge(self, number: int, record: EpochRecord) -> Verdict:
        """What becomes of trial `number` after this record."""

    @abstractmethod
    def ended(self, number: int, last: EpochRecord | None) -> None:
        """The trial has ended; `last` is its last record, None when it has none."""


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
        """The objective's value, turned so that the larger is the better."""
        value = self.objective.value(metrics)
        return value if self.objective.mode == "max" else -value


class SchedulerOptions(Protocol):
    """A scheduler's settings: a frozen value that checks itself and builds it."""

    def problems(self, *, epochs: int, trials: int | None) -> list[str]:
        """Why it cannot be for trials of so many epochs, and so many trials."""
        ...

    def build(self, course: Course) -> Scheduler: ...

    def to_json(self) -> dict[str, Any]:
        """Its name as `name`, and its settings."""
        ...
