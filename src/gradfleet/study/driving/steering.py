"""Whether a sweep goes on: the budget, the clock, and whoever asks for something from outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from gradfleet.errors import LeaseLostError
from gradfleet.study.driving import reasons
from gradfleet.study.driving.budget import Spending
from gradfleet.study.storage import requests
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyState
from gradfleet.study.storage.store import Store

GRACE = 1.0
"""Seconds that running trials have after the deadline to end by themselves, before their workers are ended.

Until the search has a first record they have all that the budget may be overrun by: a model from one batch is of more
use than none."""

_REQUESTS_EVERY = 1.0  # seconds


class Steering:
    """A sweep is open; then it drains, when no trial begins any more, or aborts, when those that run end at once.

    Attributes:
        reason: why the sweep ended, as a sentence.
        end_state: of the study, when a usable trial is there.

    Args:
        deadline: Unix time in seconds after which no trial trains; None for no limit.
        since: Unix time in seconds; what was asked before it was asked of an earlier sweep of the study.
        now: the clock, in Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        spending: Spending,
        *,
        deadline: float | None,
        since: float,
        now: Callable[[], float],
    ) -> None:
        self.reason = "The sweep ended."
        self.end_state: StudyState = "completed"
        self._store = store
        self._lease = lease
        self._spending = spending
        self._deadline = math.inf if deadline is None else deadline
        self._since = since
        self._now = now
        self._phase: Literal["open", "draining", "aborting"] = "open"
        self._paused = False
        self._requests_read = -math.inf

    @property
    def ending(self) -> bool:
        """Whether no trial will begin any more."""
        return self._phase != "open"

    @property
    def aborting(self) -> bool:
        """Whether those that run must end at once."""
        return self._phase == "aborting"

    @property
    def held(self) -> bool:
        """Whether no trial may begin now."""
        return self.ending or self._paused

    @property
    def out_of_time(self) -> bool:
        return self._now() >= self._deadline

    @property
    def _grace(self) -> float:
        return GRACE if self._spending.has_records else max(GRACE, self._spending.budget.overrun)

    def drain(self, reason: str, *, state: StudyState = "completed") -> None:
        """No new trials; those that run go on to their end."""
        if self._phase == "open":
            self._phase, self.reason, self.end_state = "draining", reason, state

    def abort(self, reason: str, *, state: StudyState = "completed") -> None:
        """No new trials; those that run end now and keep what they reported."""
        if self._phase != "aborting":
            self._phase, self.reason, self.end_state = "aborting", reason, state

    def look_around(self) -> None:
        """Whether the budget is used up or somebody has asked for something; cheap enough for every call.

        Raises:
            LeaseLostError: another driver has taken over.
        """
        if self._spending.target_reached:
            self.abort("The target was reached.")
        elif self._now() >= self._deadline + self._grace:
            self.abort(reasons.OUT_OF_TIME if self._spending.has_begun else reasons.NO_START)
        elif self.out_of_time and (self._spending.has_begun or self._spending.has_records):
            self.drain(reasons.OUT_OF_TIME)
        elif self._spending.patience_over:
            self.drain("The best has not improved for as many trials as the patience allows.")
        if self._now() - self._requests_read >= _REQUESTS_EVERY:
            self._requests_read = self._now()
            self._read_requests()

    def _read_requests(self) -> None:
        study = self._lease.study
        if self._lease.lost:
            raise LeaseLostError(f"Another driver has taken study {study.name!r} over, so this one must end.")
        for request in requests.pending(self._store, study):
            late = request.created < self._since
            outcome = "It came after that sweep had ended." if late else self._obey(request.verb)
            requests.answer(self._store, self._lease, request.id, outcome)

    def _obey(self, verb: str) -> str:
        """Act on one request; what was done, as a sentence."""
        match verb:
            case "pause" | "resume" if self.ending:
                return "The sweep is about to end."
            case "pause":
                self._paused = True
                self._store.set_state(self._lease, "paused")
                return "No new trials are started; those that run go on."
            case "resume":
                self._paused = False
                self._store.set_state(self._lease, "running")
                return "New trials are started again."
            case "stop":
                self.drain("It was asked to stop.", state="stopped")
                return "No new trials are started; the sweep ends with those that run."
            case "cancel":
                self.abort("It was cancelled.", state="stopped")
                return "The trials that run are ended and keep what they reported."
        return f"A driver does not act on {verb!r}."
