"""A sweep on a remote cluster: sent as a job, found again by the name of its study, sent again when that has died."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from gradfleet.errors import ClusterError, ConflictError, NotFoundError, StoreError, in_words
from gradfleet.fleet import kept_package, package, sent_driver
from gradfleet.fleet.jobs import Job, RemoteCluster, submit
from gradfleet.fleet.order import Order
from gradfleet.fleet.sent_driver import SentDriver, job_of
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.rows import ENDED, StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.trials.recipes import by_value

_LOOK_EVERY = 2.0  # seconds
_RAYS_OWN = ("Running entrypoint for job ", " job_manager.py:")  # lines of a job's log that are not the driver's


def send(
    order: Order, store: Store, opened: Callable[[], StudyRow], *, artifacts: str, say: Callable[[str], None]
) -> Study:
    """Have the cluster of the order's settings drive the study, if no job does so already; the study as a handle.

    What was sent is kept beside the study's checkpoints, without the store's address. Where it cannot be sent, a study
    that was there is as it was, and a new one has failed.

    Args:
        opened: makes the study in the store, or goes on with it; called once all is ready to be sent.
        artifacts: where a new study has its checkpoints.

    Raises:
        ExecutionError: a part of the order cannot leave this process.
        SettingError: the user's own modules are too large to travel.
        ConflictError: a job drives the study already, by an order with other settings.
        ClusterError: the cluster does not answer, or does not take the job.
        LeaseHeldError: a living driver that is no job of this cluster holds the study.
    """
    address = order.settings.cluster
    assert address is not None, "a remote cluster has an address"
    told, remote = by_value(order), RemoteCluster.at(address)
    with tempfile.TemporaryDirectory(prefix="gradfleet-package-") as name:
        folder = Path(name)
        data = None if order.data is None else order.data.place
        package.write_package(folder, told, study=order.study, artifacts=artifacts, data=data)
        before = next((study for study in store.studies() if study.name == order.study), None)
        living = None if before is None else _living(before, remote)
        if before is not None and living is not None:
            _refuse_other_settings(before, living, order)
        study = opened()
        replace(package.Manifest.read(folder), artifacts=study.artifacts).write(folder)  # those of one that was there
        with _put_back(store, study, before), kept_package.staged(study, folder) as staged:
            job = _submit(folder, remote, store, study, started=order.started, kept=staged)
    if job == living:
        kept_package.drop(study, staged)
    else:
        kept_package.point(study, staged, order)
    say(f"Study {study.name!r} in {store.url} is driven by {job} on {job.cluster}, until {order.settings.budget}.")
    sent = store.study(study.name)
    return Study(store, sent, recipe=order.recipe)


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
            told = max(told, len(lines))
            try:
                study.wait(timeout=_LOOK_EVERY)
                break
            except TimeoutError:
                continue
    except KeyboardInterrupt:
        say(
            f"The sweep goes on. Come back with Study.attach({study.name!r}, store={study.store_url!r}), or "
            f"`gradfleet sweep wait {study.name} --store {study.store_url}`."
        )
        raise
    ended = study.row
    if ended.state == "failed" and not study.trials:
        raise ClusterError(ended.problem or f"It failed before its first trial. What it said:\n{study.logs()}")
    problem = f" ({ended.problem})" if ended.problem else ""
    say(f"{study.name} is {ended.state}{problem}. Best: trial {study.best.number} with {study.best.value:.4f}.")
    return study


def send_again(store: Store, study: StudyRow, *, cluster: str | None = None) -> Job:
    """Send what was sent for this study once more: trials that are done stay, those that ran go on.

    Args:
        cluster: the address of another cluster; None is the one that had it.

    Raises:
        NotFoundError: nothing was ever sent for it, or a part of that is missing.
        ClusterError, LeaseHeldError: as for `send`.
    """
    last = job_of(study)
    address = cluster or (None if last is None else last.cluster)
    with tempfile.TemporaryDirectory(prefix="gradfleet-package-") as name:
        folder = Path(name)
        kept = None if address is None else kept_package.fetch(study, folder)
        if address is None or kept is None:
            raise NotFoundError(
                f"Study {study.name!r} was never sent to a cluster, so there is nothing to send again. Go on with "
                f"fit(name={study.name!r}, resume=True)."
            )
        remote = RemoteCluster.at(address)
        remote.check()
        with _put_back(store, study, study):
            return _submit(folder, remote, store, study, started=time.time(), kept=kept)


def _submit(folder: Path, remote: RemoteCluster, store: Store, study: StudyRow, *, started: float, kept: str) -> Job:
    if study.state in ENDED:
        mark(store, study.name, "queued")
    url = store.database.url.render_as_string(hide_password=False)
    package.Call(store=url, started=started, kept=kept_package.url(study, kept)).write(folder)
    job = submit(remote, folder, study=study.name, created=study.created)
    sent_driver.keep(study, job)
    return job


@contextmanager
def _put_back(store: Store, study: StudyRow, before: StudyRow | None) -> Iterator[None]:
    """When it cannot be sent: the study as it was before; a new one has failed."""
    try:
        yield
    except BaseException as error:
        with suppress(StoreError):  # a driver that holds it all the same knows better
            if before is None or before.id != study.id:
                mark(store, study.name, "failed", problem=in_words(error))
            elif before.state in ENDED:
                mark(store, study.name, before.state, problem=before.problem)
        raise


def _living(study: StudyRow, remote: RemoteCluster) -> Job | None:
    """The job that drives a study on that cluster, or waits there to do so."""
    job = job_of(study)
    return job if job is not None and job.cluster == remote.address and SentDriver(study).is_going() else None


def _refuse_other_settings(study: StudyRow, job: Job, order: Order) -> None:
    """
    Raises:
        ConflictError: the order has other settings than what drives the study.
    """
    names = kept_package.differing(study, order)
    if names:
        raise ConflictError(
            f"Study {study.name!r} is driven by {job} on {job.cluster}, which was sent with another "
            f"{', '.join(names)}, and takes no new settings. Leave them as they were; or end it first, with "
            f"`gradfleet sweep stop {study.name}`, and send it then."
        )


def _said(study: Study) -> list[str]:
    """The lines of the driver itself; none while its cluster is out of reach, for the store tells of the end."""
    try:
        log = study.logs()
    except ClusterError:
        return []
    return [line for line in log.splitlines() if not any(mark in line for mark in _RAYS_OWN)]
