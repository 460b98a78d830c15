"""What can be done with a sweep: ask for it, steer it, begin it again, delete it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gradfleet.errors import ClusterError, ConflictError, NotFoundError
from gradfleet.service import documents, replays, specs, submissions
from gradfleet.service.service import Service
from gradfleet.service.submissions import Submission
from gradfleet.study.storage import marking, requests
from gradfleet.study.storage.rows import ENDED
from gradfleet.study.study import Study
from gradfleet.sweeps.document import Document

_ANSWERS_WITHIN = 3.0  # seconds; a driver reads its requests every second
_LOOK_EVERY = 0.1  # seconds


def ask_for(service: Service, document: Document, *, by: str) -> tuple[str, bool]:
    """Have a sweep run; its name, and False when the same was asked for before.

    Args:
        by: the name of the token that it is asked with.

    Raises:
        SettingError: it cannot be, or asks for what the service does not allow.
        ConflictError: another sweep has the name.
    """
    name, spec = specs.settled(service, document)
    new = submissions.add(service.store, name, spec, by=by)
    service.asked.set()
    return name, new


def steer(service: Service, name: str, verb: str) -> documents.Request:
    """Pause, resume, stop or cancel a sweep; what its driver says within a few seconds.

    Raises:
        NotFoundError: there is no such sweep.
        ConflictError: it has ended, or does not run yet.
    """
    study = _begun(service, name)
    if verb in ("stop", "cancel") and submissions.take_out(service.store, name):
        if study is not None and study.state not in ENDED:  # it ran before and was to go on
            marking.mark(service.store, name, "stopped")
            return documents.Request(id=None, verb=verb, outcome="It did not go on yet, and has ended.")
        return documents.Request(id=None, verb=verb, outcome="It did not run yet, and will not begin.")
    if study is None:
        raise ConflictError(f"{name} is still being prepared, so it cannot be asked to {verb}. Ask again in a moment.")
    if (state := study.state) in ENDED:
        raise ConflictError(f"{name} is {state}: there is no sweep to {verb}. `retry` begins it again.")
    return _answered(service, study, study.request(verb))


def request(service: Service, name: str, number: int) -> documents.Request:
    """What became of something that was asked.

    Raises:
        NotFoundError: there is no such sweep, or no such request of it.
    """
    study = service.row(name)
    found = requests.get(service.store, number, study=study)
    if found is None:
        raise NotFoundError(f"{name} has no request {number}.")
    return documents.Request(id=found.id, verb=found.verb, outcome=found.outcome)


def retry(service: Service, name: str, *, retry_failed: bool) -> None:
    """Begin a sweep again that nobody sees to: what is done is not done again.

    Args:
        retry_failed: let trials that failed run again too.

    Raises:
        NotFoundError: there is no such sweep.
        ConflictError: it runs, or waits for its turn.
        ClusterError: it was sent from elsewhere to a cluster that does not answer.
    """
    study = _begun(service, name)
    if submissions.get(service.store, name) is None:
        from gradfleet.fleet.remote import send_again  # Ray takes a second to import

        assert study is not None, "it was not asked for here, so it is in the store"
        send_again(service.store, study.row)
        return
    if not submissions.again(service.store, name, retry_failed=retry_failed):
        raise ConflictError(f"{name} is seen to already, or waits for its turn.")
    service.asked.set()


def delete(service: Service, name: str) -> None:
    """Drop a sweep that does not run, with its trials and artifacts, for good.

    Raises:
        NotFoundError: there is no such sweep.
        ConflictError, LeaseHeldError: it runs.
    """
    study = _begun(service, name)
    submission = submissions.get(service.store, name)
    if submission is not None and submission.is_held:
        raise ConflictError(f"{name} is being seen to. Stop it, wait for its end, then delete it.")
    if study is not None and (busy := replays.running(service.store, study.row.id)):
        raise ConflictError(
            f"Trial {busy[0]} of {name} is being trained again. Wait for its end, then delete the sweep."
        )
    if submission is None:
        assert study is not None, "it was not asked for here, so it is in the store"
        study.delete()
        return
    with _held(service, submission):
        if study is not None:
            study.delete()
        submissions.remove(service.store, name)


@contextmanager
def _held(service: Service, submission: Submission) -> Iterator[None]:
    """Nobody begins it meanwhile; where this fails, it is as it was.

    Raises:
        ConflictError: somebody was faster.
    """
    number = submissions.claim(service.store, submission)
    if number is None:
        raise ConflictError(f"{submission.name} is being begun. Stop it, wait for its end, then delete it.")
    try:
        yield
    except BaseException:
        submissions.settle(service.store, submission.name, number, submission.state, problem=submission.problem)
        raise


def mark(service: Service, name: str, number: int, marks: documents.Marks) -> None:
    """Star a trial, or write about it.

    Raises:
        NotFoundError: there is no such sweep or trial.
    """
    study = service.study(name)
    study.trial(number)
    if marks.starred is not None:
        study.star(number, starred=marks.starred)
    if marks.note is not None:
        study.note(number, marks.note)


def logs(service: Service, name: str, *, most: int) -> str:
    """The end of what the sweep's driver has said; empty before it has said anything.

    Args:
        most: so many characters.

    Raises:
        NotFoundError: there is no such sweep, or its driver speaks elsewhere.
    """
    study, said = _begun(service, name), ""
    if study is not None:
        with suppress(NotFoundError, ClusterError):
            said = study.logs()
    return (said or _beside(service, name))[-most:]


def trial_logs(service: Service, name: str, number: int, *, most: int) -> str:
    """The end of what a trial has printed; empty where that is nothing.

    Raises:
        NotFoundError: there is no such sweep or trial.
    """
    return service.study(name).logs(number)[-most:]


def _begun(service: Service, name: str) -> Study | None:
    """The study of a sweep; None while it was only asked for.

    Raises:
        NotFoundError: there is no such sweep.
    """
    try:
        return service.study(name)
    except NotFoundError:
        if submissions.get(service.store, name) is None:
            raise
        return None


def _answered(service: Service, study: Study, number: int) -> documents.Request:
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while (found := request(service, study.name, number)).outcome is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    return found


def _beside(service: Service, name: str) -> str:
    """What was said before there was a study."""
    from gradfleet.study.places import driver_log

    log = driver_log(service.artifacts, name)
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
