"""A database that is away for a while: said once when it has lasted, and once when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LASTING = 1.0
"""Seconds of an outage before anything is said of it; a lock of a neighbour's passes sooner."""


class Outage:
    """What all threads of a process see of one database's absence.

    Attributes:
        say: takes one line.
    """

    def __init__(self) -> None:
        self.say: Callable[[str], None] | None = None
        self._since: float | None = None
        self._said = False
        self._lock = threading.Lock()

    def lasts(self, why: str, *, waited: float) -> None:
        """An attempt has failed `waited` seconds after the first one began, and will be made again."""
        now = time.monotonic()
        with self._lock:
            if self._since is None:
                self._since = now - waited
            due = not self._said and now - self._since >= LASTING
            self._said |= due
        if due and self.say is not None:
            self.say(f"{why} Running trials wait; nothing is lost.")

    def ends(self) -> None:
        """An attempt went through."""
        if self._since is None:  # nearly always, so without the lock
            return
        with self._lock:
            said, since = self._said, self._since
            self._said, self._since = False, None
        if said and self.say is not None:
            self.say(f"The store answers again, after {time.monotonic() - since:.0f} s.")
