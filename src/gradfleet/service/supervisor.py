"""The supervisor: a thread that has every submission seen to, whichever service of the store it was made through."""

from __future__ import annotations

import logging
import threading

from gradfleet.errors import GradfleetError
from gradfleet.service import sent, starter, submissions
from gradfleet.service.service import Service
from gradfleet.service.submissions import MOST_ATTEMPTS, Submission

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
            problem = f"{submission.attempts} processes have died over it; `retry` tries again."
            submissions.settle(store, submission.name, number, "failed", problem=problem)
            return
        try:
            starter.begin(self._service, submission, number)
        except OSError as error:
            submissions.settle(store, submission.name, number, "queued", problem=str(error), pause=_LOOK_EVERY)

    def _room(self, found: list[Submission]) -> int:
        held = sum(one.is_held and one.holder is not None and one.holder.is_here() for one in found)
        return max(0, self._service.settings.sweeps - held - sent.on_own_cluster(self._service))
