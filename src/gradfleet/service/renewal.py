"""Signs of life of a process that holds a row of the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gradfleet.errors import StoreError

_EVERY = 5.0  # seconds


@contextmanager
def signs_of_life(renew: Callable[[], object]) -> Iterator[None]:
    """Call `renew` again and again, in a thread, until the `with` ends."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(_EVERY):
            try:
                renew()
            except StoreError:  # what else the process writes says so
                continue

    thread = threading.Thread(target=run, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
