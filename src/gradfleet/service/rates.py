"""Rates: how often somebody may ask, as buckets that fill up again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_REMEMBERED = 10_000  # of whom we know how often they ask; the one that was silent longest is forgotten first


class Rates:
    """A bucket for each asker, which holds `burst` and is refilled by `each_second`.

    Example:
        >>> rates = Rates(1.0, 2, now=lambda: 0.0)
        >>> [rates.wait_of("a") for _ in range(3)], rates.wait_of("b")
        ([0.0, 0.0, 1.0], 0.0)
    """

    def __init__(self, each_second: float, burst: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._each_second = each_second
        self._burst = burst
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_of(self, who: str) -> float:
        """Take one from the bucket: 0, or the seconds until there is one again, with nothing taken."""
        with self._lock:
            now = self._now()
            left, since = self._buckets.pop(who, (float(self._burst), now))
            left = min(self._burst, left + (now - since) * self._each_second)
            wait = 0.0 if left >= 1 else (1 - left) / self._each_second
            self._buckets[who] = (left if wait else left - 1, now)
            if len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
            return wait
