"""The seam of whoever shows a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gradfleet.study.storage.rows import RecordRow, TrialRow, TrialState
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import Config


class Watcher(Protocol):
    """Is told what happens in a sweep, to show it."""

    def gone_on_with(self, trials: Sequence[TrialRow], best: Mapping[int, RecordRow]) -> None:
        """The study has these trials already, with their best records; those RUNNING will be started again."""
        ...

    def noted(self, text: str) -> None:
        """Something beside has happened, in a sentence."""
        ...

    def started(self, number: int, config: Config) -> None:
        """A worker begins the trial, for the first time or again."""
        ...

    def recorded(self, number: int, record: EpochRecord) -> None: ...

    def ended(self, number: int, state: TrialState, reason: str | None) -> None:
        """The trial has its final state; a failed one always has a reason."""
        ...
