"""What a service keeps in memory: values that were asked for last, and values that are made anew when they are old."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

_AT_MOST_EVERY = 1.0  # seconds


@dataclass
class _Slot(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    values: list[T] = field(default_factory=list)


class Recent(Generic[T]):
    """The `most` values that were asked for last, by their keys.

    Example:
        >>> recent = Recent[str](2)
        >>> recent.get("a", lambda: "made"), recent.get("a", lambda: "made again")
        ('made', 'made')
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._slots: OrderedDict[Hashable, _Slot[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of that key; made by one who asks, while others who ask for the same wait."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            if len(self._slots) > self._most:
                self._slots.popitem(last=False)
        with slot.lock:
            if not slot.values:
                slot.values.append(make())
            return slot.values[0]


class Drawn:
    """Something that takes a while to draw: drawn anew when there is something new to show, at most once a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._content = b""
        self._version: Hashable = None
        self._ended = 0.0

    def get(self, version: Hashable, draw: Callable[[], bytes]) -> bytes:
        """What `draw` gave for this version, or for one before it that is no older than a second."""
        with self._lock:
            is_young = time.monotonic() - self._ended < _AT_MOST_EVERY
            if not self._content or (version != self._version and not is_young):
                self._content, self._version = draw(), version
                self._ended = time.monotonic()
            return self._content
