"""SteeredStudy: a study whose sweep runs somewhere, asked and waited for."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from gradfleet.errors import ExecutionError, NotFoundError
from gradfleet.study.driver import Driver
from gradfleet.study.places import driver_log
from gradfleet.study.storage import requests
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import ENDED, StudyRow, StudyState
from gradfleet.study.storage.store import Store
from gradfleet.study.stored import StoredStudy

_DRIVER_STARTS_WITHIN = 120.0  # seconds; a machine under load takes its time to import torch and Ray
_LOOK_EVERY = 0.5  # seconds
_ASK_EVERY = 2.0  # seconds; a cluster is asked over the network


class SteeredStudy(StoredStudy):
    """Speaks with the driver through the store alone, wherever that runs.

    Args:
        driver: who drives the sweep, where that is a job of a remote cluster and the caller knows it.
    """

    def __init__(self, store: Store, row: StudyRow, *, driver: Driver | None) -> None:
        super().__init__(store, row)
        self._driver = driver

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
            ExecutionError: its driver has died, or the cluster could not begin; why and how to go on is in the message.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        silent_since = asked = time.monotonic()
        while (state := self.state) not in ENDED:
            now = time.monotonic()
            if Lease.is_held(self._store, self.row):
                silent_since = now
            elif now - asked > _ASK_EVERY:
                asked = now
                self._refuse_failure(state)
            elif now - silent_since > _DRIVER_STARTS_WITHIN:
                raise ExecutionError(
                    f"Study {self.name!r} is {state}, but no driver works on it: it has died, or never began. Go on "
                    f"with fit(name={self.name!r}, resume=True); what it said stands in {self.log}."
                )
            if now >= deadline:
                raise TimeoutError(f"Study {self.name!r} is still {state} after {timeout:g} s.")
            time.sleep(_LOOK_EVERY)
        return self

    def _refuse_failure(self, state: StudyState) -> None:
        """
        Raises:
            ExecutionError: the driver's job has ended before its time.
        """
        why = self.failure()
        if why is not None and self.state == state:
            raise ExecutionError(
                f"Study {self.name!r} is {state}, but its job has ended: {why} Go on with fit(name={self.name!r}, "
                "resume=True)."
            )

    def failure(self) -> str | None:
        """Why the job that drives the study has ended before its time; None where it has not, or is not known."""
        return None if self._driver is None else self._driver.failure()

    def logs(self) -> str:
        """What the driver has said so far, when it is no part of this process.

        Raises:
            NotFoundError: it was driven by the process that began it, or on a host whose files are not seen from here.
        """
        if self._driver is not None:
            return self._driver.logs()
        if not self.log.is_file():
            raise NotFoundError(
                f"{self.name} has no log here: it was driven by the process that began it, or on another host."
            )
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def log(self) -> Path:
        """What the driver says when it has a process of its own, as with `fit(wait=False)`."""
        return driver_log(self.artifacts.url, self.name)
