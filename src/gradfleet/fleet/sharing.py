"""Sweeps that share a cluster: each one's part of it."""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from gradfleet.fleet.addresses import is_loopback
from gradfleet.study.places import kept_job
from gradfleet.study.storage.holder import Holder
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store

_LOOK_EVERY = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Part:
    """Of a cluster that so many sweeps share equally.

    Attributes:
        place: of the sweep among them, from 0; the first ones have what is left over.
    """

    place: int = 0
    sweeps: int = 1

    def of(self, workers: int) -> int:
        """How many of so many workers; where there are not enough for one each, they take turns, and it is 0."""
        if workers < self.sweeps:
            return 0
        return workers // self.sweeps + (self.place < workers % self.sweeps)


class Sharing:
    """Knows, as others come and go, the part of a sweep that is driven in this process.

    A store or an artifact place that is away takes minutes to say so, and no trial waits for that: a thread looks, and
    what was found last holds.
    """

    def __init__(self, store: Store, study: str) -> None:
        self._store = store
        self._study = study
        self._part = Part()
        self._looked = -math.inf
        self._looking = threading.Lock()

    def part(self) -> Part:
        """As it was found last; the whole cluster until then."""
        if time.monotonic() - self._looked > _LOOK_EVERY:
            self._looked = time.monotonic()
            with suppress(RuntimeError):  # the host may have no thread left
                threading.Thread(target=self._look, name="sharing", daemon=True).start()
        return self._part

    def _look(self) -> None:
        if not self._looking.acquire(blocking=False):
            return
        try:
            with suppress(Exception):  # whatever the library of the artifacts raises while they are away
                self._part = part_of(self._store, self._study)
        finally:
            self._looking.release()


def part_of(store: Store, name: str) -> Part:
    """That of a sweep which is driven in this process.

    Those share a cluster that were sent to the same address from the same store and are driven now. One that is paused
    needs none of it; an address on loopback is that of the driver's host.
    """
    study = store.study(name)
    home = _cluster(study)
    if home is None:
        return Part()
    here = Holder.current().host
    places = [study.id]
    for other in store.studies(state="running"):
        holder = None if other.id == study.id else Lease.holder(store, other)
        if holder is None or (is_loopback(home) and holder.host != here):
            continue
        if _cluster(other) == home:
            places.append(other.id)
    return Part(sorted(places).index(study.id), len(places))


def _cluster(study: StudyRow) -> str | None:
    """The address that it was sent to; None when it was not."""
    job = kept_job(study.artifacts, study.name)
    return None if job is None else job["cluster"]
