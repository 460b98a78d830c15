"""Drivers on a remote cluster: each is a Ray Job, found again by the name of its study."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import ray

from gradfleet.errors import AccessError, ClusterError
from gradfleet.fleet.quiet import quiet_jobs

if TYPE_CHECKING:
    from ray.job_submission import JobStatus, JobSubmissionClient

ENTRYPOINT = "python -m gradfleet.fleet.job_driver"
_ANSWERS_WITHIN = 10.0  # seconds
_WHERE = "The address is that of Ray's dashboard, such as http://head:8265."
_TOKENS = "RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"


@dataclass(frozen=True, slots=True)
class RemoteCluster:
    """A Ray cluster as seen from outside: the address of its Jobs API."""

    address: str

    def check(self) -> None:
        """Refuse a cluster that could not run what is sent from here, before anything is sent.

        Raises:
            ClusterError: nothing answers there, or its Ray or Python is another one.
            AccessError: it asks for a token that there is not, or refuses the one that there is.
        """
        found = self._get("/api/v0/cluster_metadata")["data"]
        theirs = {"Ray": found["rayVersion"], "Python": ".".join(found["pythonVersion"].split(".")[:2])}
        ours = {"Ray": ray.__version__, "Python": ".".join(platform.python_version_tuple()[:2])}
        if theirs != ours:
            here, there = (" and ".join(f"{name} {version}" for name, version in of.items()) for of in (ours, theirs))
            raise ClusterError(
                f"The cluster at {self.address} runs {there}, and this process {here}. A sweep needs the same on both "
                "sides, for its code travels by value: install here what the cluster has."
            )

    def job(self, submission_id: str) -> Job:
        return Job(self.address, submission_id)

    def client(self) -> JobSubmissionClient:
        """What speaks to the Jobs API.

        Raises:
            ClusterError: nothing answers, or not without another token.
        """
        from ray.exceptions import AuthenticationError

        try:
            return _client(self.address, _token())
        except AuthenticationError as error:
            raise self._refused(403 if _token() else 401) from error
        except (ConnectionError, RuntimeError) as error:
            raise ClusterError(f"No Ray cluster answers at {self.address} ({error}). {_WHERE}") from error

    def _get(self, path: str) -> Any:
        """What the head answers, as JSON."""
        request = urllib.request.Request(self.address.rstrip("/") + path, headers=_headers(_token()))
        try:
            with urllib.request.urlopen(request, timeout=_ANSWERS_WITHIN) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise self._refused(error.code) from error
        except (OSError, ValueError) as error:
            raise ClusterError(f"No Ray cluster answers at {self.address} ({_reason(error)}). {_WHERE}") from error

    def _refused(self, code: int) -> ClusterError:
        if code == 401:
            return AccessError(f"The cluster at {self.address} asks for a token, and none was found in {_TOKENS}.")
        if code == 403:
            return AccessError(f"The cluster at {self.address} refuses the token that was found in {_TOKENS}.")
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
    def status(self) -> JobStatus | None:
        """None when the cluster knows no such job."""
        return self._status(RemoteCluster(self.cluster).client())

    def _status(self, client: JobSubmissionClient) -> JobStatus | None:
        try:
            return client.get_job_status(self.submission_id)
        except RuntimeError as error:
            if "404" in str(error):
                return None
            raise ClusterError(f"The cluster at {self.cluster} does not say how {self} is: {error}") from error

    def failure(self) -> str | None:
        """Why the job is over without having done its work; None while it may still do it, or when it has."""
        details = RemoteCluster(self.cluster).client().get_job_info(self.submission_id)
        if details.status in ("PENDING", "RUNNING", "SUCCEEDED"):
            return None
        _, found, said = f"\n{self.logs()}".rpartition("\nError: ")
        return said.strip() if found else str(details.message)

    def logs(self) -> str:
        """What the driver has said so far."""
        return str(RemoteCluster(self.cluster).client().get_job_logs(self.submission_id))

    def stop(self) -> None:
        """End the driver now; what it has recorded stays."""
        RemoteCluster(self.cluster).client().stop_job(self.submission_id)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        return cls(**json.loads(text))

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
                with quiet_jobs():
                    client.submit_job(
                        entrypoint=ENTRYPOINT,
                        submission_id=job.submission_id,
                        runtime_env={"working_dir": str(package)},
                        metadata={"study": study},
                    )
            except RuntimeError as error:
                if job._status(client) is None:  # else another client was faster with the same
                    raise ClusterError(f"The cluster at {cluster.address} does not take the sweep: {error}") from error
            return job
        if not status.is_terminal():
            return job
    raise AssertionError("attempts do not end")


@lru_cache(maxsize=8)
def _client(address: str, token: str | None) -> JobSubmissionClient:
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(address, headers=_headers(token))


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _token() -> str | None:
    """The cluster's token, from where Ray itself looks for it."""
    given = os.environ.get("RAY_AUTH_TOKEN")
    if given:
        return given
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path("~/.ray/auth_token").expanduser())
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
