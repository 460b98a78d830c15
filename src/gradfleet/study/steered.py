"""SteeredStudy: a study whose sweep runs somewhere, asked and waited for."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gradfleet.errors import ClusterError, DriverFailedError, ExecutionError, NotFoundError
from gradfleet.study.board import Board
from gradfleet.study.driver import driver_of, no_log
from gradfleet.study.places import driver_log, kept_job
from gradfleet.study.storage import requests
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import ENDED, StudyRow, StudyState
from gradfleet.study.storage.store import Store
from gradfleet.study.stored import StoredStudy
from gradfleet.trials.output import read_output

_DRIVER_STARTS_WITHIN = 120.0  # seconds; a machine under load takes its time to import torch and Ray
_LOOK_EVERY = 0.5  # seconds
_ASK_AFTER = 4.0  # seconds without a sign; a cluster is asked over the network
_ASK_EVERY = 2.0  # seconds


class SteeredStudy(StoredStudy):
    """Speaks with the driver through the store, wherever that runs; its cluster is asked where the store is silent."""

    def __init__(self, store: Store, row: StudyRow, *, board: Board | None = None) -> None:
        super().__init__(store, row, board=board)
        self._silence = 0.0  # seconds waited without a sign of a driver, over all calls of `wait`
        self._asked = -math.inf  # when the cluster was asked last

    def request(self, verb: str, arguments: Mapping[str, Any] | None = None) -> int:
        """Ask the sweep's driver, wherever it runs, to pause, resume, stop or cancel; the request's id.

        It is answered within about a second while a driver runs, and by the next driver otherwise: which obeys what
        has come since its sweep was asked for, and nothing older.

        Raises:
            SettingError: no request is called that.
        """
        return requests.add(self._store, self.row, verb, arguments)

    def answer(self, request: int) -> str | None:
        """What a driver did about a request; None while it has not answered.

        Raises:
            NotFoundError: there is no such request.
        """
        found = requests.get(self._store, request)
        if found is None:
            raise NotFoundError(f"Study {self.name!r} has no request {request}.")
        return found.outcome

    def pause(self) -> int:
        """Ask for no new trials; those that run go on. The request's id, as of `request`."""
        return self.request("pause")

    def resume(self) -> int:
        """Ask for new trials again after a pause."""
        return self.request("resume")

    def stop(self) -> int:
        """Ask for no new trials and an end with those that run."""
        return self.request("stop")

    def cancel(self) -> int:
        """Ask for an end now; running trials keep what they reported."""
        return self.request("cancel")

    def wait(self, timeout: float | None = None) -> Self:
        """Return when the sweep has ended, however it did: `state` tells.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it has not ended by then.
            DriverFailedError: its job on a cluster has ended before its time; why is in the message.
            ExecutionError: nobody has driven it for two minutes of waiting; how to go on is in the message.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (state := self.state) not in ENDED:
            began = time.monotonic()
            self._listen(state)
            if began >= deadline:
                raise TimeoutError(f"Study {self.name!r} is still {state} after {timeout:g} s.")
            time.sleep(_LOOK_EVERY)
            self._silence += time.monotonic() - began
        return self

    def _listen(self, state: StudyState) -> None:
        """
        Raises:
            ExecutionError: as `wait`.
        """
        if Lease.is_held(self._store, self.row) or self._goes_on_elsewhere(state):
            self._silence = 0.0
        elif self._silence > _DRIVER_STARTS_WITHIN:
            self._silence = 0.0  # whoever waits once more waits as long
            raise ExecutionError(
                f"Study {self.name!r} is {state}, but no driver works on it: it has died, or never began. Go on "
                f"with fit(name={self.name!r}, resume=True); what it said stands in {self.log}."
            )

    def _goes_on_elsewhere(self, state: StudyState) -> bool:
        """Whether the cluster that has the study says so, when it is time to ask.

        Raises:
            DriverFailedError: its job there has ended before its time.
        """
        if self._silence < _ASK_AFTER or time.monotonic() - self._asked < _ASK_EVERY:
            return False
        self._asked = time.monotonic()
        driver = driver_of(self.row)
        if driver is None or driver.is_going():
            return driver is not None
        why = driver.failure()
        if why is not None and self.state == state:
            raise DriverFailedError(
                f"Study {self.name!r} is {state}, but its job has ended: {why} Go on with fit(name={self.name!r}, "
                "resume=True)."
            )
        return False

    @cached_property
    def page(self) -> str | None:
        """Where a browser shows the job that drives the study; None where it is no job."""
        kept = kept_job(self.artifacts.url, self.name)
        return None if kept is None else kept.get("page")

    def logs(self, trial: int | None = None) -> str:
        """What the driver has said so far, when it is no part of this process; or what a trial has printed.

        Of a trial that is what went to Python's stdout and stderr, the log of its loggers included, and of several
        processes what the first one said; the last 200,000 characters, about a second behind.

        Raises:
            NotFoundError: it was driven by the process that began it, or on a host whose files are not seen from here;
                or there is no trial of that number.
            ClusterError: it is driven by a job whose cluster does not answer, and its files are not seen from here.
        """
        if trial is not None:
            self._store.trial(self._id, trial)
            return read_output(self.artifacts.log(self.name, trial))
        driver, here = driver_of(self.row), self.log.is_file()
        if driver is not None:
            try:
                return driver.logs()
            except ClusterError:
                if not here:
                    raise
        if not here:
            raise no_log(self.name)
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def log(self) -> Path:
        """What the driver says when it has a process of its own, as with `fit(wait=False)`."""
        return driver_log(self.artifacts.url, self.name)
