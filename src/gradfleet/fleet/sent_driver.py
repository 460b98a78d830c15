"""SentDriver: the job that drives a study which was sent to a cluster, looked up whenever it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradfleet.errors import ClusterError
from gradfleet.study.driver import no_log
from gradfleet.study.places import keep_job, kept_job
from gradfleet.study.storage.rows import StudyRow

if TYPE_CHECKING:
    from gradfleet.fleet.jobs import Job


def keep(study: StudyRow, job: Job) -> None:
    """Have every handle of the study, in whatever process, speak with this job from now on."""
    driver = f"{SentDriver.__module__}:{SentDriver.__qualname__}"
    told = {"driver": driver, "page": job.page, "cluster": job.cluster, "submission_id": job.submission_id}
    keep_job(study.artifacts, study.name, told)


@dataclass(frozen=True, slots=True)
class SentDriver:
    """Whoever sends the study again begins another job: the last one counts, and where there is none nobody goes on."""

    study: StudyRow

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
    kept = kept_job(study.artifacts, study.name)
    if kept is None:
        return None
    from gradfleet.fleet.jobs import Job  # Ray takes a second to import

    return Job(kept["cluster"], kept["submission_id"])
