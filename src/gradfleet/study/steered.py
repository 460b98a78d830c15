"""SteeredStudy: a study whose sweep runs somewhere, asked and waited for."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gradfleet.errors import DriverFailedError, ExecutionError, NotFoundError
from gradfleet.study.board import Board
from gradfleet.study.driver import Driver, no_log
from gradfleet.study.places import driver_log, driver_page
from gradfleet.study.storage import requests
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import ENDED, StudyRow, StudyState
from gradfleet.study.storage.store import Store
from gradfleet.study.stored import StoredStudy
from gradfleet.trials.output import read_output

_DRIVER_STARTS_WITHIN = 120.0  # seconds; a machine under load takes its time to import torch and Ray
_LOOK_EVERY = 0.5  # seconds
_ASK_AFTER = 4.0  # seconds without a sign; a cluster is asked over the network


class SteeredStudy(StoredStudy):
    """Speaks with the driver through the store alone, wherever that runs.

    Args:
        driver: who drives the sweep, where that is a job of a remote cluster and the caller knows it.
    """

    def __init__(
        self, store: Store, row: StudyRow, *, board: Board | None = None, driver: Driver | None = None
    ) -> None:
        super().__init__(store, row, board=board)
        self._driver = driver
        self._silence = 0.0  # seconds waited without a sign of a driver, over all calls of `wait`

    def request(self, verb: str, arguments: Mapping[str, Any] | None = None) -> int:
        """Ask the sweep's driver, wherever it runs, to pause, resume, stop or cancel; the request's id.

        It is answered within about a second while a driver runs, and by the next driver otherwise.

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
        silence = self._silence
        if self._is_driven():
            self._silence = 0.0
            return
        if silence > _ASK_AFTER:
            self._refuse_failure(state)
        if silence > _DRIVER_STARTS_WITHIN:
            self._silence = 0.0  # whoever waits once more waits as long
            raise ExecutionError(
                f"Study {self.name!r} is {state}, but no driver works on it: it has died, or never began. Go on "
                f"with fit(name={self.name!r}, resume=True); what it said stands in {self.log}."
            )

    def _is_driven(self) -> bool:
        """Whether there is a sign of a driver: its lease, or its job that waits for the cluster or runs there."""
        if Lease.is_held(self._store, self.row):
            return True
        return self._silence > _ASK_AFTER and self._driver is not None and self._driver.is_going()

    def _refuse_failure(self, state: StudyState) -> None:
        """
        Raises:
            DriverFailedError: the driver's job has ended before its time.
        """
        why = self.failure()
        if why is not None and self.state == state:
            raise DriverFailedError(
                f"Study {self.name!r} is {state}, but its job has ended: {why} Go on with fit(name={self.name!r}, "
                "resume=True)."
            )

    @cached_property
    def page(self) -> str | None:
        """Where a browser shows the job that drives the study; None where it is no job, or not known here."""
        return driver_page(self.artifacts.url, self.name) if self._driver is None else self._driver.page

    def failure(self) -> str | None:
        """Why the job that drives the study has ended before its time; None where it has not, or is not known."""
        return None if self._driver is None else self._driver.failure()

    def logs(self, trial: int | None = None) -> str:
        """What the driver has said so far, when it is no part of this process; or what a trial has printed.

        Of a trial that is what went to Python's stdout and stderr, the log of its loggers included, and of several
        processes what the first one said; the last 200,000 characters, about a second behind.

        Raises:
            NotFoundError: it was driven by the process that began it, or on a host whose files are not seen from here;
                or there is no trial of that number.
        """
        if trial is not None:
            self._store.trial(self._id, trial)
            return read_output(self.artifacts.log(self.name, trial))
        if self._driver is not None:
            return self._driver.logs()
        if not self.log.is_file():
            raise no_log(self.name)
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def log(self) -> Path:
        """What the driver says when it has a process of its own, as with `fit(wait=False)`."""
        return driver_log(self.artifacts.url, self.name)
