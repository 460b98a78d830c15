"""SentDriver: the job that drives a study which was sent to a cluster, looked up whenever it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import fsspec

from gradfleet.errors import ClusterError
from gradfleet.study.driver import no_log
from gradfleet.study.places import driver_page, job_file
from gradfleet.study.storage.rows import StudyRow

if TYPE_CHECKING:
    from gradfleet.fleet.jobs import Job


@dataclass(frozen=True, slots=True)
class SentDriver:
    """Whoever sends the study again begins another job: the last one counts, and where there is none nobody goes on."""

    study: StudyRow

    @property
    def page(self) -> str | None:
        return driver_page(self.study.artifacts, self.study.name)

    def is_going(self) -> bool:
        """Whether the cluster says that the job waits for its turn or runs; a cluster out of reach says nothing."""
        job = job_of(self.study)
        try:
            return job is not None and job.status in ("PENDING", "RUNNING")
        except (ClusterError, OSError):
            return False

    def failure(self) -> str | None:
        """As `Job.failure`; None where the cluster is out of reach, too."""
        job = job_of(self.study)
        try:
            return None if job is None else job.failure()
        except (ClusterError, OSError):
            return None

    def logs(self) -> str:
        """What the job has said.

        Raises:
            NotFoundError: the study was never sent.
            ClusterError: the cluster does not answer, or knows no such job.
        """
        job = job_of(self.study)
        if job is None:
            raise no_log(self.study.name)
        return job.logs()


def job_of(study: StudyRow) -> Job | None:
    """The job that drives a study, or did last; None when it was never sent, or is driven from a host since."""
    filesystem, path = fsspec.core.url_to_fs(job_file(study.artifacts, study.name))
    if not filesystem.exists(path):
        return None
    from gradfleet.fleet.jobs import Job  # Ray takes a second to import

    return Job.from_json(filesystem.cat_file(path))
