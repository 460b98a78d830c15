"""A sweep on a remote cluster: sent as a job, found again by the name of its study, sent again when that has died."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import fsspec

from gradfleet.errors import ClusterError, NotFoundError
from gradfleet.fleet import package
from gradfleet.fleet.driver import mark
from gradfleet.fleet.jobs import Job, RemoteCluster, submit
from gradfleet.fleet.order import Order
from gradfleet.study.storage.rows import ENDED, StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.trials.recipes import by_value

_SENT, _JOB = "sent", "job.json"
_LOOK_EVERY = 2.0  # seconds
_ENDS_WITHIN = 20.0  # seconds
_RAYS_OWN = ("Running entrypoint for job ", " job_manager.py:")  # lines of a job's log that are not the driver's


def send(order: Order, store: Store, *, say: Callable[[str], None]) -> Study:
    """Have the cluster of the order's settings drive the study, if no job does so already; the study as a handle.

    What was sent is kept beside the study's checkpoints, without the store's address.

    Raises:
        ExecutionError: a part of the order cannot leave this process.
        SettingError: the user's own modules are too large to travel.
        ClusterError: the cluster does not answer, or does not take the job.
        LeaseHeldError: a living driver that is no job of this cluster holds the study.
    """
    address, study = order.settings.cluster, store.study(order.study)
    assert address is not None, "a remote cluster has an address"
    told = by_value(order)
    with tempfile.TemporaryDirectory(prefix="gradfleet-package-") as name:
        folder = Path(name)
        data = None if order.data is None else order.data.place
        package.write_package(folder, told, study=study.name, artifacts=study.artifacts, data=data)
        _keep(_files(folder), study)
        job = _submit(folder, RemoteCluster(address), store, study, started=order.started)
    say(f"Study {study.name!r} in {store.url} is driven by {job} on {address}, until {order.settings.budget}.")
    return Study(store, store.study(study.name), recipe=order.recipe, driver=job)


def follow(study: Study, *, say: Callable[[str], None]) -> Study:
    """Say what the driver says until the sweep has ended. Ctrl-C leaves it alone, and says how to come back.

    Raises:
        ClusterError: the cluster could not begin; the reason in its own words.
        NoUsableTrialError: every trial failed.
        KeyboardInterrupt: Ctrl-C; the sweep goes on.
    """
    told = 0
    try:
        while True:
            lines = _said(study)
            for line in lines[told:]:
                say(line)
            told = len(lines)
            try:
                study.wait(timeout=_LOOK_EVERY)
                break
            except TimeoutError:
                continue
    except KeyboardInterrupt:
        say(f"The sweep goes on. Come back with Study.attach({study.name!r}), or `gradfleet sweep wait {study.name}`.")
        raise
    if study.state == "failed" and not study.trials:
        raise ClusterError(_why(study))
    say(f"{study.name} is {study.state}. Best: trial {study.best.number} with {study.best.value:.4f}.")
    return study


def send_again(store: Store, study: StudyRow, *, cluster: str | None = None) -> Job:
    """Send what was sent for this study once more: trials that are done stay, those that ran go on.

    Args:
        cluster: the address of another cluster; None is the one that had it.

    Raises:
        NotFoundError: nothing was ever sent for it.
        ClusterError, LeaseHeldError: as for `send`.
    """
    last = job_of(study)
    filesystem, path = fsspec.core.url_to_fs(_place(study, _SENT))
    if last is None or not filesystem.exists(path):
        raise NotFoundError(
            f"Study {study.name!r} was never sent to a cluster, so there is nothing to send again. Go on with "
            f"fit(name={study.name!r}, resume=True)."
        )
    remote = RemoteCluster(cluster or last.cluster)
    remote.check()
    with tempfile.TemporaryDirectory(prefix="gradfleet-package-") as name:
        filesystem.get(f"{path}/", name, recursive=True)
        return _submit(Path(name), remote, store, study, started=time.time())


def job_of(study: StudyRow) -> Job | None:
    """The job that drives a study, or did last; None when it was never sent anywhere."""
    filesystem, path = fsspec.core.url_to_fs(_place(study, _JOB))
    return Job.from_json(filesystem.cat_file(path)) if filesystem.exists(path) else None


def _submit(folder: Path, remote: RemoteCluster, store: Store, study: StudyRow, *, started: float) -> Job:
    if study.state in ENDED:
        mark(store, study.name, "queued")
    url = store.database.url.render_as_string(hide_password=False)
    package.Call(store=url, started=started).write(folder)
    job = submit(remote, folder, study=study.name, created=study.created)
    filesystem, path = fsspec.core.url_to_fs(_place(study, _JOB))
    filesystem.pipe_file(path, job.to_json())
    return job


def _why(study: Study) -> str:
    """Why a sweep failed before its first trial: the job ends a moment after it has said so in the store."""
    deadline = time.monotonic() + _ENDS_WITHIN
    while (why := study.failure()) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY / 4)
    return why or f"The sweep failed before its first trial. What it said:\n{study.logs()}"


def _said(study: Study) -> list[str]:
    """The lines of the driver itself."""
    return [line for line in study.logs().splitlines() if not any(mark in line for mark in _RAYS_OWN)]


def _files(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _keep(files: Mapping[str, bytes], study: StudyRow) -> None:
    """All that was sent, in the place of what was sent before."""
    filesystem, path = fsspec.core.url_to_fs(_place(study, _SENT))
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)
    for name, content in files.items():
        filesystem.makedirs(f"{path}/{name}".rpartition("/")[0], exist_ok=True)
        filesystem.pipe_file(f"{path}/{name}", content)


def _place(study: StudyRow, name: str) -> str:
    return f"{study.artifacts}/{study.name}/{name}"
