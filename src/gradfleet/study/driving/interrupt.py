"""Ctrl-C in two stages: first no new trials, then stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from gradfleet.study.driving.ledger import StudyLedger


class Interrupts:
    """Counts the Ctrl-C of a sweep and acts on them through its ledger.

    A trial in this very process can be ended between two of its records only: from the third Ctrl-C on it is
    Python's own KeyboardInterrupt, and the trial stays to be gone on with.
    """

    def __init__(self, ledger: StudyLedger, say: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._say = say
        self.count = 0

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            self._ledger.drain("Interrupted.", state="stopped")
            self._say("Interrupted: no new trials, waiting for those that run. Press Ctrl-C again to stop now.")
        elif self.count == 2:
            self._ledger.abort("Interrupted.", state="stopped")
        else:
            raise KeyboardInterrupt


@contextmanager
def two_stage_interrupt(ledger: StudyLedger, say: Callable[[str], None]) -> Iterator[Interrupts]:
    """Take over SIGINT for the length of a sweep; from another thread than the main one, leave it as it is."""
    interrupts = Interrupts(ledger, say)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    previous = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, previous)
