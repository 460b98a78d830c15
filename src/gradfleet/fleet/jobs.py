"""Drivers on a remote cluster: each is a Ray Job, found again by the name of its study."""

from __future__ import annotations

import hashlib
import itertools
import json
import platform
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import ray

from gradfleet.errors import AccessError, ClusterError
from gradfleet.fleet import ray_client
from gradfleet.fleet.addresses import CLIENT
from gradfleet.fleet.cluster_token import cluster_token, missing_token, refused_token
from gradfleet.fleet.heads import head_at
from gradfleet.fleet.quiet import quiet_jobs

if TYPE_CHECKING:
    from ray.job_submission import JobStatus, JobSubmissionClient

T = TypeVar("T")

ENTRYPOINT = "python -m gradfleet.fleet.job_driver"
_ANSWERS_WITHIN = 10.0  # seconds
_UNKNOWN = re.compile(r"Request failed with status code 404\b")
"""What Ray's client says of a job that the cluster does not know."""

_TAKES_JOBS_WITHIN, _AGAIN = 60.0, 1.0  # seconds
_NOT_YET = "No available agent to submit job"
"""What a head says that answers and cannot start jobs yet."""

_WHERE = "The address is that of Ray's dashboard, such as http://head:8265."


@dataclass(frozen=True, slots=True)
class RemoteCluster:
    """A Ray cluster as seen from outside: the address of its Jobs API."""

    address: str

    @classmethod
    def at(cls, address: str) -> Self:
        """The one at the address of its dashboard, or at ray://head:10001, which is asked where that is.

        Raises:
            ClusterError: nothing answers at a ray:// address, or it has no dashboard; AccessError for the token.
        """
        return cls(ray_client.dashboard(address, cluster_token()) if address.startswith(CLIENT) else address)

    def check(self) -> None:
        """Refuse a cluster that could not run what is sent from here, before anything is sent.

        Raises:
            ClusterError: nothing answers there, or its Ray or Python is another one.
            AccessError: it asks for a token that there is not, or refuses the one that there is.
        """
        theirs = self._versions()
        ours = {"Ray": ray.__version__, "Python": ".".join(platform.python_version_tuple()[:2])}
        if theirs != ours:
            here, there = (" and ".join(f"{name} {version}" for name, version in of.items()) for of in (ours, theirs))
            raise ClusterError(
                f"The cluster at {self.address} runs {there}, and this process {here}. A sweep needs the same on both "
                "sides, for its code travels by value: install here what the cluster has."
            )

    def _versions(self) -> dict[str, str]:
        found = self._get("/api/v0/cluster_metadata", token=self._token)
        try:
            said = found["data"]
            return {"Ray": said["rayVersion"], "Python": ".".join(said["pythonVersion"].split(".")[:2])}
        except (KeyError, TypeError) as error:
            raise self._refused(200) from error

    def is_open(self) -> bool:
        """Whether it lets in who has no token: anybody who reaches it may then run code there.

        Raises:
            ClusterError: nothing answers there.
        """
        try:
            self._get("/api/v0/cluster_metadata", token=None)
        except AccessError:
            return False
        return True

    def job(self, submission_id: str) -> Job:
        return Job(self.address, submission_id)

    def client(self) -> JobSubmissionClient:
        """What speaks to the Jobs API.

        Raises:
            ClusterError: nothing answers, or not without another token.
        """
        from ray.exceptions import AuthenticationError

        try:
            return _client(self.address, self._token)
        except AuthenticationError as error:
            raise self.refusal() from error
        except (OSError, RuntimeError) as error:
            raise ClusterError(f"No Ray cluster answers at {self.address} ({error}). {_WHERE}") from error

    def refusal(self) -> AccessError:
        """What to raise where it does not let this process in."""
        return refused_token(self.address) if self._token else missing_token(self.address)

    @property
    def _token(self) -> str | None:
        """A head of this machine has one of its own; any other cluster takes what Ray itself would find."""
        head = head_at(self.address)
        return cluster_token() if head is None else head.token

    def _get(self, path: str, *, token: str | None) -> Any:
        """What the head answers, as JSON."""
        request = urllib.request.Request(self.address.rstrip("/") + path, headers=_headers(token))
        try:
            with urllib.request.urlopen(request, timeout=_ANSWERS_WITHIN) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code) from error
        except (OSError, ValueError) as error:
            raise ClusterError(f"No Ray cluster answers at {self.address} ({_reason(error)}). {_WHERE}") from error

    def _refused(self, code: int) -> ClusterError:
        if code == 401:
            return missing_token(self.address)
        if code == 403:
            return refused_token(self.address)
        return ClusterError(f"What answers at {self.address} is no Ray cluster (HTTP {code}). {_WHERE}")


@dataclass(frozen=True, slots=True)
class Job:
    """One driver of a study, as a Ray Job.

    Attributes:
        cluster: the address of the Jobs API.
        submission_id: made from the study, so that the same submission twice is one job.
    """

    cluster: str
    submission_id: str

    @property
    def page(self) -> str:
        """The job on Ray's dashboard."""
        return f"{self.cluster.rstrip('/')}/#/jobs/{self.submission_id}"

    @property
    def status(self) -> JobStatus | None:
        """None when the cluster knows no such job."""
        return self._status(RemoteCluster(self.cluster).client())

    def _status(self, client: JobSubmissionClient) -> JobStatus | None:
        from ray.exceptions import AuthenticationError

        try:
            return client.get_job_status(self.submission_id)
        except (AuthenticationError, OSError, RuntimeError) as error:
            if _UNKNOWN.match(str(error)):
                return None
            raise self._no_answer(error) from error

    def failure(self) -> str | None:
        """Why the job is over without having done its work; None while it may still do it, or when it has."""
        if self.status is None:
            return f"The cluster at {self.cluster} does not know {self} any more: it was begun anew since."
        details = self._answer(lambda client: client.get_job_info(self.submission_id))
        if details.status in ("PENDING", "RUNNING", "SUCCEEDED"):
            return None
        _, found, said = f"\n{self.logs()}".rpartition("\nError: ")
        return said.strip() if found else str(details.message)

    def logs(self) -> str:
        """What the driver has said so far.

        Raises:
            ClusterError: the cluster does not answer, or knows no such job.
        """
        return str(self._answer(lambda client: client.get_job_logs(self.submission_id)))

    def stop(self) -> None:
        """End the driver now; what it has recorded stays."""
        self._answer(lambda client: client.stop_job(self.submission_id))

    def _answer(self, ask: Callable[[JobSubmissionClient], T]) -> T:
        from ray.exceptions import AuthenticationError

        client = RemoteCluster(self.cluster).client()
        try:
            return ask(client)
        except (AuthenticationError, OSError, RuntimeError) as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: Exception) -> ClusterError:
        from ray.exceptions import AuthenticationError

        if isinstance(error, AuthenticationError):
            return RemoteCluster(self.cluster).refusal()
        return ClusterError(f"The cluster at {self.cluster} does not say how {self} is: {error}")

    def __str__(self) -> str:
        return f"job {self.submission_id}"


def submit(cluster: RemoteCluster, package: Path, *, study: str, created: float) -> Job:
    """Have the cluster run a package, once: while a job of this study has not ended there, that one is it.

    Args:
        created: when the study was made; tells it from others of its name.

    Raises:
        ClusterError: the cluster does not take the job.
    """
    client = cluster.client()
    identity = hashlib.sha256(f"{study} {created!r}".encode()).hexdigest()[:8]
    for attempt in itertools.count():
        job = cluster.job(f"gradfleet-{study}-{identity}-{attempt}")
        status = job._status(client)
        if status is None:
            try:
                _send(client, job, package, study)
            except RuntimeError as error:
                if job._status(client) is None:  # else another client was faster with the same
                    raise ClusterError(f"The cluster at {cluster.address} does not take the sweep: {error}") from error
            return job
        if not status.is_terminal():
            return job
    raise AssertionError("attempts do not end")


def _send(client: JobSubmissionClient, job: Job, package: Path, study: str) -> None:
    """Submit it, as soon as the cluster can start jobs: one that has just begun answers before it can."""
    deadline = time.monotonic() + _TAKES_JOBS_WITHIN
    while True:
        try:
            with quiet_jobs():
                client.submit_job(
                    entrypoint=ENTRYPOINT,
                    submission_id=job.submission_id,
                    runtime_env={"working_dir": str(package)},
                    metadata={"study": study},
                )
            return
        except RuntimeError as error:
            if _NOT_YET not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN)


@lru_cache(maxsize=8)
def _client(address: str, token: str | None) -> JobSubmissionClient:
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(address, headers=_headers(token))


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
