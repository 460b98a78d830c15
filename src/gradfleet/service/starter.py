"""A process that sees to one submission: it runs the sweep, or sends it to a cluster, and outlives the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from gradfleet.errors import (
    ClusterError,
    GradfleetError,
    LeaseHeldError,
    NotFoundError,
    NoUsableTrialError,
    StoreError,
)
from gradfleet.fleet.driver import exit_code
from gradfleet.service import submissions
from gradfleet.service.service import Service
from gradfleet.service.submissions import Submission
from gradfleet.study.places import driver_log
from gradfleet.study.storage.rows import ENDED
from gradfleet.study.storage.store import Store
from gradfleet.sweeps.document import Document
from gradfleet.sweeps.sweep import Sweep

_SIGN_OF_LIFE = 5.0  # seconds
_CLUSTER_AGAIN = 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Call:
    """What the process is told, on stdin: the store's URL has its password.

    Attributes:
        number: of the claim that it takes over.
        artifacts, cluster: the service's own.
    """

    store: str
    name: str
    number: int
    artifacts: str
    cluster: str | None

    @property
    def settings(self) -> dict[str, str]:
        """What a spec leaves to the service."""
        said = {"store": self.store, "artifacts": self.artifacts, "cluster": self.cluster}
        return {key: value for key, value in said.items() if value is not None}


def begin(service: Service, submission: Submission, number: int) -> None:
    """Start the process over a claimed submission, in a session of its own; its end is noted by whoever is alive."""
    store, log = service.store, driver_log(service.artifacts, submission.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    url = store.database.url.render_as_string(hide_password=False)
    call = Call(url, submission.name, number, service.artifacts, service.settings.cluster)
    # What is imported by path here must be found there too.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gradfleet.service.starter"],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
        )
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(json.dumps(asdict(call)).encode())
    threading.Thread(target=_reap, args=(process, store, submission.name, number), daemon=True).start()


def _reap(process: subprocess.Popen[bytes], store: Store, name: str, number: int) -> None:
    """Wait, so that no zombie is left; a process that died before it took the claim over leaves it to another one."""
    code = process.wait()
    submission = submissions.get(store, name)
    ours = submission is not None and submission.claim == number and submission.state == "claimed"
    if ours:
        submissions.settle(store, name, number, "queued", problem=f"Its process has ended with {code}.")


def run(call: Call) -> None:
    """Take the submission over and see to it."""
    with Store.open(call.store) as store:
        submission = submissions.get(store, call.name)
        if submission is None or not submissions.take_over(store, call.name, call.number):
            return
        with _signs_of_life(store, call):
            try:
                _see_to(store, submission, call.settings)
            except ClusterError as error:  # it may come back
                submissions.settle(store, call.name, call.number, "queued", problem=str(error), pause=_CLUSTER_AGAIN)
                raise
            except (NoUsableTrialError, LeaseHeldError) as error:  # the study says so, or another driver has it
                submissions.settle(store, call.name, call.number, "done", problem=str(error))
                raise
            except StoreError:
                raise
            except GradfleetError as error:
                submissions.settle(store, call.name, call.number, "failed", problem=str(error))
                raise
            except Exception as error:
                submissions.settle(store, call.name, call.number, "failed", problem=f"{type(error).__name__}: {error}")
                raise
            submissions.settle(store, call.name, call.number, "done")


def _see_to(store: Store, submission: Submission, settings: Mapping[str, str]) -> None:
    if submission.attempts > 1 and _has_ended(store, submission.name):
        return  # an earlier process died between the sweep's last write and its own
    sweep = Sweep.of(Document("spec", {**submission.spec, **settings}))
    address = sweep.spec.cluster or ""
    here = not address.startswith(("http://", "https://"))
    sweep.fit(resume=True, retry_failed=submission.retry_failed, progress=True, wait=here)


def _has_ended(store: Store, name: str) -> bool:
    try:
        return store.study(name).state in ENDED
    except NotFoundError:
        return False


@contextmanager
def _signs_of_life(store: Store, call: Call) -> Iterator[None]:
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(_SIGN_OF_LIFE):
            try:
                submissions.renew(store, call.name, call.number)
            except StoreError:  # the sweep's own writes say so
                continue

    thread = threading.Thread(target=renew, name=f"claim of {call.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(exit_code(lambda: run(Call(**json.load(sys.stdin)))))
