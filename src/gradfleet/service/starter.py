"""A process that sees to one submission: it runs the sweep, or sends it to a cluster, and outlives the service."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from functools import partial

from gradfleet.data.download import Download
from gradfleet.errors import (
    ClusterError,
    LeaseHeldError,
    NotFoundError,
    NoUsableTrialError,
    StoreError,
    in_words,
)
from gradfleet.fleet import detached
from gradfleet.fleet.addresses import is_remote
from gradfleet.fleet.exit_code import exit_code
from gradfleet.fleet.own_cluster import OwnCluster
from gradfleet.service import specs, submissions
from gradfleet.service.readiness import refuse_open
from gradfleet.service.renewal import signs_of_life
from gradfleet.service.service import Service
from gradfleet.service.submissions import Submission
from gradfleet.study.places import driver_log
from gradfleet.study.storage.rows import ENDED
from gradfleet.study.storage.store import Store
from gradfleet.sweeps.document import Document
from gradfleet.sweeps.sweep import Sweep

_CLUSTER_AGAIN = 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Call:
    """What the process is told, on stdin: the store's URL has its password.

    Attributes:
        number: of the claim that it takes over.
        artifacts, cluster, open_cluster, urls, private_urls: the service's own.
        most: bytes that may be fetched.
    """

    store: str
    name: str
    number: int
    artifacts: str
    cluster: str | None
    open_cluster: bool
    urls: list[str]
    private_urls: list[str]
    most: int

    def found(self, data: str) -> str | Download:
        """What a spec names, which lies at its path or is fetched from where the service allows."""
        if "://" not in data:
            return data
        return specs.download(data, urls=self.urls, private_urls=self.private_urls, most=self.most)


def begin(service: Service, submission: Submission, number: int) -> None:
    """Start the process over a claimed submission, in a session of its own; its end is noted by whoever is alive."""
    store, log = service.store, driver_log(service.artifacts, submission.name)
    url = store.database.url.render_as_string(hide_password=False)
    settings = service.settings
    about = settings.cluster, settings.open_cluster, list(settings.urls), list(settings.private_urls)
    call = Call(url, submission.name, number, service.artifacts, *about, most=settings.limits.fetched)
    detached.start(
        "gradfleet.service.starter",
        json.dumps(asdict(call)).encode(),
        log=log,
        ended=partial(_settle, store, submission.name, number),
    )


def _settle(store: Store, name: str, number: int, status: int) -> None:
    """A process that died before it took the claim over leaves the submission to another one."""
    submission = submissions.get(store, name)
    ours = submission is not None and submission.claim == number and submission.state == "claimed"
    if ours:
        submissions.settle(store, name, number, "queued", problem=f"Its process has ended with {status}.")


def run(call: Call) -> None:
    """Take the submission over and see to it."""
    with Store.open(call.store) as store:
        submission = submissions.get(store, call.name)
        if submission is None or not submissions.take_over(store, call.name, call.number):
            return
        with signs_of_life(partial(submissions.renew, store, call.name, call.number)):
            try:
                _see_to(store, submission, call)
            except ClusterError as error:  # it may come back
                submissions.settle(store, call.name, call.number, "queued", problem=str(error), pause=_CLUSTER_AGAIN)
                raise
            except (NoUsableTrialError, LeaseHeldError) as error:  # the study says so, or another driver has it
                submissions.settle(store, call.name, call.number, "done", problem=str(error))
                raise
            except StoreError:
                raise
            except Exception as error:
                submissions.settle(store, call.name, call.number, "failed", problem=in_words(error))
                raise
            submissions.settle(store, call.name, call.number, "done")


def _see_to(store: Store, submission: Submission, call: Call) -> None:
    if submission.attempts > 1 and _has_ended(store, submission.name):
        return  # an earlier process died between the sweep's last write and its own
    if is_remote(call.cluster) and not call.open_cluster:
        refuse_open(call.cluster)
    cluster = OwnCluster.of(call.store).begin() if call.cluster is None else call.cluster
    own = {"store": call.store, "artifacts": call.artifacts, "cluster": cluster}
    sweep = Sweep.of(Document("spec", {**submission.spec, **own}), found=call.found)
    sweep.fit(resume=True, retry_failed=submission.retry_failed, progress=True, wait=not is_remote(cluster))


def _has_ended(store: Store, name: str) -> bool:
    try:
        return store.study(name).state in ENDED
    except NotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(exit_code(lambda: run(Call(**json.load(sys.stdin)))))
