"""Ctrl-C in two stages: first no new trials, then stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from gradfleet.study.driving.ledger import StudyLedger
from gradfleet.trials.executor import Executor


class Interrupts:
    """Counts the Ctrl-C of a sweep and acts on them through its ledger and its executor.

    From the third on it is Python's own KeyboardInterrupt, and what ran stays to be gone on with.
    """

    def __init__(self, ledger: StudyLedger, executor: Executor, say: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._executor = executor
        self._say = say
        self.count = 0

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            self._ledger.drain("Interrupted.", state="stopped")
            self._say("Interrupted: no new trials, waiting for those that run. Press Ctrl-C again to stop now.")
        elif self.count == 2:
            self._say("Stopping now: what runs ends, and what it has reported is kept.")
            self._ledger.abort("Interrupted.", state="stopped")
            self._executor.interrupt()
        else:
            raise KeyboardInterrupt


@contextmanager
def two_stage_interrupt(ledger: StudyLedger, executor: Executor, say: Callable[[str], None]) -> Iterator[Interrupts]:
    """Take over SIGINT for the length of a sweep; from another thread than the main one, leave it as it is."""
    interrupts = Interrupts(ledger, executor, say)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    previous = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, previous)
