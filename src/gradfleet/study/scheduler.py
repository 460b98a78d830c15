"""The seam of schedulers: who may train on, record by record."""

from __future__ import annotations

from typing import Protocol

from gradfleet.training.history import EpochRecord


class Scheduler(Protocol):
    """Decides, record by record, which trials may train on.

    A resumed sweep hands it every record and end of the study again, in the order in which they happened, so what it
    decides may depend on nothing else.
    """

    def goes_on(self, number: int, record: EpochRecord) -> bool:
        """Whether trial `number` may train on after this record."""
        ...

    def ended(self, number: int, record: EpochRecord) -> None:
        """The trial has ended, and this was its last record."""
        ...


class NoScheduler:
    """Lets every trial run to its end."""

    def goes_on(self, number: int, record: EpochRecord) -> bool:
        return True

    def ended(self, number: int, record: EpochRecord) -> None:
        return None
