"""Turns: so much at a time, a line of bounded length behind it, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from gradfleet.service.problems import RefusedError

T = TypeVar("T")

_AGAIN = 5  # seconds


class Turns:
    """Threads of its own for what takes long, so that it leaves those of all other requests alone.

    Args:
        at_once: so many threads.
        waiting: so many wait for one of them, without a thread.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._limiter = CapacityLimiter(at_once)
        self._most = waiting

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._limiter.statistics().tasks_waiting

    async def take(self, work: Callable[[], T]) -> T:
        """What the work gives, when its turn has come.

        Raises:
            RefusedError: as many wait already as may.
        """
        if self.waiting >= self._most:
            said = f"{self._most} requests wait for their turn already; ask again in {_AGAIN} s."
            raise RefusedError(503, said, {"Retry-After": str(_AGAIN)})
        return await to_thread.run_sync(work, limiter=self._limiter)
