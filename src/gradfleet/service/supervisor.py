"""The supervisor: a thread that has every submission seen to, whichever service of the store it was made through."""

from __future__ import annotations

import contextlib
import logging
import threading

from gradfleet.errors import GradfleetError, LeaseHeldError, NotFoundError
from gradfleet.service import sent, starter, submissions
from gradfleet.service.service import Service
from gradfleet.service.submissions import MOST_ATTEMPTS, Submission
from gradfleet.study.storage.marking import mark
from gradfleet.study.storage.rows import ENDED

_LOOK_EVERY = 1.0  # seconds
_log = logging.getLogger("gradfleet.service")


class Supervisor:
    """Claims what is due and starts a process for it; several services over one store do so side by side."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing any more; what was begun goes on."""
        self._ended.set()
        self._service.asked.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.look()
            except GradfleetError as error:  # such as a store that is away: it may come back
                _log.warning("Sweeps wait: %s", error)
            except Exception:  # whatever it is, the next sweep may be begun again
                _log.exception("Sweeps wait.")
            self._service.asked.wait(_LOOK_EVERY)
            self._service.asked.clear()

    def look(self) -> None:
        """Begin what is due and has room."""
        found = submissions.unsettled(self._service.store)
        due = [submission for submission in found if submission.is_due]
        for submission in due[: self._room(found) if due else 0]:
            self._begin(submission)

    def _begin(self, submission: Submission) -> None:
        store = self._service.store
        number = submissions.claim(store, submission)
        if number is None:
            return
        if submission.attempts >= MOST_ATTEMPTS:
            self._give_up(submission, number)
            return
        try:
            starter.begin(self._service, submission, number)
        except (OSError, RuntimeError) as error:  # no process, or no thread that waits for its end
            submissions.settle(store, submission.name, number, "queued", problem=str(error), pause=_LOOK_EVERY)

    def _give_up(self, submission: Submission, number: int) -> None:
        """Its study fails with it: nobody drives that any more."""
        store, problem = self._service.store, f"{submission.attempts} processes have died over it; `retry` tries again."
        with contextlib.suppress(NotFoundError, LeaseHeldError):  # it never got so far, or somebody goes on with it
            if store.study(submission.name).state not in ENDED:
                mark(store, submission.name, "failed", problem=problem)
        submissions.settle(store, submission.name, number, "failed", problem=problem)

    def _room(self, found: list[Submission]) -> int:
        held = sum(one.is_held and one.holder is not None and one.holder.is_here() for one in found)
        return max(0, self._service.settings.sweeps - held - sent.on_own_cluster(self._service))
