"""Deaths: sweeps whose job has ended on the cluster before it could say so in the store."""

from __future__ import annotations

import logging
import threading

from gradfleet.errors import ClusterError, GradfleetError, LeaseHeldError
from gradfleet.fleet.driver import mark
from gradfleet.fleet.sent_driver import job_of
from gradfleet.service import submissions
from gradfleet.service.service import Service
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import ENDED, StudyRow

_LOOK_EVERY = 15.0  # seconds; each sweep that nobody drives costs a few requests to the cluster
_ENDS_WITHIN = 5.0  # seconds
_log = logging.getLogger("gradfleet.service")


class DeathWatch:
    """A thread that writes, of each sweep that was sent and whose job is over too early, that it failed, and why."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="death watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a cluster that is slow to answer is not waited for."""
        self._ended.set()
        self._thread.join(_ENDS_WITHIN)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY):
            try:
                self.look()
            except ClusterError:
                continue  # it may come back, and readiness says so
            except GradfleetError as error:
                _log.warning("Nobody knows how sweeps on the cluster are: %s", error)

    def look(self) -> None:
        """Ask the cluster for every sweep that was sent there and has no driver.

        Raises:
            ClusterError: it does not answer.
            StoreError: the store does not.
        """
        for study in self._orphans():
            why = _failure(study)
            if why is not None:
                self._write(study, why)

    def _orphans(self) -> list[StudyRow]:
        store = self._service.store
        sent = {one.name for one in submissions.listed(store) if one.state == "done"}
        going = [one for one in store.studies() if one.name in sent and one.state not in ENDED]
        return [one for one in going if not Lease.is_held(store, one)]

    def _write(self, study: StudyRow, why: str) -> None:
        store = self._service.store
        if store.study(study.name).state != study.state:
            return  # it has said so itself meanwhile
        try:
            mark(store, study.name, "failed", problem=f"Its job on the cluster has ended: {why}")
        except LeaseHeldError:
            return  # somebody goes on with it


def _failure(study: StudyRow) -> str | None:
    job = job_of(study)
    return None if job is None else job.failure()
