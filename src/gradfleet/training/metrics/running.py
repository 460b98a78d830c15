"""Numbers of a stream of values that keep no value."""

from __future__ import annotations

import math
from collections import deque


class RunningMean:
    """Mean and deviation of all values, or of the last ones.

    Args:
        window: of how many; None for all.

    Example:
        >>> running = RunningMean()
        >>> for value in (1.0, 2.0, 6.0):
        ...     running.add(value)
        >>> running.mean, running.deviation
        (3.0, 2.160246899469287)
    """

    def __init__(self, window: int | None = None) -> None:
        self._last: deque[float] | None = None if window is None else deque(maxlen=window)
        self._count = 0
        self._mean = self._squares = 0.0

    def add(self, value: float) -> None:
        """Take one more value in."""
        if self._last is not None:
            self._last.append(value)
            return
        # Welford's way, which does not lose digits where the mean is large against the deviation.
        self._count += 1
        step = value - self._mean
        self._mean += step / self._count
        self._squares += step * (value - self._mean)

    @property
    def mean(self) -> float:
        """NaN before the first value."""
        if self._last is not None:
            return sum(self._last) / len(self._last) if self._last else math.nan
        return self._mean if self._count else math.nan

    @property
    def deviation(self) -> float:
        """The standard deviation of these very values (divided by their number, not by one less)."""
        if self._last is None:
            return math.sqrt(self._squares / self._count) if self._count else math.nan
        mean = self.mean
        return math.sqrt(sum((value - mean) ** 2 for value in self._last) / len(self._last)) if self._last else math.nan


class Smoothed:
    """An exponentially weighted mean, corrected for its beginning: the first value is its own mean.

    Args:
        share: how much of the mean before remains in the next.
        total, count: what `state` gave, to go on from there.
    """

    def __init__(self, share: float = 0.98, total: float = 0.0, count: int = 0) -> None:
        self._share = share
        self._sum = total
        self._count = count

    def add(self, value: float) -> None:
        """Take one more value in."""
        self._count += 1
        self._sum = self._share * self._sum + (1 - self._share) * value

    @property
    def mean(self) -> float:
        """NaN before the first value."""
        return self._sum / (1 - self._share**self._count) if self._count else math.nan

    def state(self) -> tuple[float, int]:
        """What it takes to go on."""
        return self._sum, self._count
