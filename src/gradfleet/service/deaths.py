"""Deaths: sweeps whose job has ended on the cluster before it could say so in the store, or has gone with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradfleet.errors import ClusterError, GradfleetError, LeaseHeldError
from gradfleet.fleet.addresses import is_loopback
from gradfleet.fleet.sent_driver import job_of
from gradfleet.service import sent, submissions
from gradfleet.service.sent import Sent
from gradfleet.service.service import Service
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.rows import StudyRow

if TYPE_CHECKING:
    from gradfleet.fleet.jobs import Job

_LOOK_EVERY = 15.0  # seconds; each sweep that nobody drives costs a few requests to the cluster
_LOOK_AT_OWN_EVERY = 2.0  # seconds; there most is seen without a request
_ENDS_WITHIN = 5.0  # seconds
_log = logging.getLogger("gradfleet.service")


class DeathWatch:
    """A thread that writes, of each sweep that was sent and whose job is over too early, that it failed, and why.

    Those of the store's own cluster that have lost it are sent again instead: another one is begun for them.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ended = threading.Event()
        self._failing: set[int] = set()  # studies whose job had failed when it was looked at last
        self._thread = threading.Thread(target=self._run, name="death watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a cluster that is slow to answer is not waited for."""
        self._ended.set()
        self._thread.join(_ENDS_WITHIN)

    def _run(self) -> None:
        pause = _LOOK_EVERY if self._service.own_cluster is None else _LOOK_AT_OWN_EVERY
        while not self._ended.wait(pause):
            try:
                self.look()
            except ClusterError:
                continue  # it may come back, and readiness says so
            except GradfleetError as error:
                _log.warning("Nobody knows how sweeps on the cluster are: %s", error)
            except Exception:  # as of a client of Ray: the next look may tell
                _log.exception("Nobody knows how sweeps on the cluster are.")

    def look(self) -> None:
        """Ask the cluster for every sweep that was sent there and has no driver.

        Raises:
            ClusterError: it does not answer.
            StoreError: the store does not.
        """
        away: dict[str, ClusterError] = {}
        for one, job in self._orphans():
            if job.cluster not in away:
                try:
                    self._look_at(one, job)
                except ClusterError as error:
                    away[job.cluster] = error
        for first in away.values():
            raise first

    def _look_at(self, one: Sent, job: Job) -> None:
        if self._has_lost_its_cluster(one.study, job):
            if submissions.send_again(self._service.store, one.submission):
                _log.warning("%s has lost its cluster at %s, and is sent again.", one.study.name, job.cluster)
            self._service.asked.set()
        elif (why := job.failure()) is None:
            self._failing.discard(one.study.id)
        elif self._is_lasting(one.study):
            self._write(one.study, why)

    def _is_lasting(self, study: StudyRow) -> bool:
        """An own cluster of which a part has died calls its jobs failed for a moment, until it has ended as a whole."""
        seen_before = study.id in self._failing
        self._failing.add(study.id)
        return seen_before or self._service.own_cluster is None

    def _orphans(self) -> Iterator[tuple[Sent, Job]]:
        for one in sent.going(self._service):
            job = job_of(one.study)
            if job is not None and not Lease.is_held(self._service.store, one.study):
                yield one, job

    def _has_lost_its_cluster(self, study: StudyRow, job: Job) -> bool:
        """Whether it ran on an own cluster of the store that is no more."""
        cluster = self._service.own_cluster
        if cluster is None:
            return False
        if job.cluster == cluster.address:
            return job.status is None  # another one had that address before
        if cluster.has_had(job.cluster):
            return True
        # That of a host or container that is gone; one that has just begun over there has not been driven yet.
        return is_loopback(job.cluster) and Lease.is_held(self._service.store, study) is False

    def _write(self, study: StudyRow, why: str) -> None:
        store = self._service.store
        if store.study(study.name).state != study.state:
            return  # it has said so itself meanwhile
        try:
            mark(store, study.name, "failed", problem=f"Its job on the cluster has ended: {why}")
        except LeaseHeldError:
            return  # somebody goes on with it
