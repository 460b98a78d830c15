"""A sweep as its users steer it, whether its store is opened here or a service keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from gradfleet.fleet.addresses import is_service
from gradfleet.fleet.service_client import ServiceClient
from gradfleet.fleet.stored_sweeps import StoredSweeps


class SweepHandle(Protocol):
    """One sweep; everything is asked when it is called."""

    @property
    def name(self) -> str: ...

    def facts(self) -> dict[str, Any]:
        """What `sweep show --json` says of it: name, state, trials, running, failed, objective, best and places."""
        ...

    def ask(self, verb: str) -> str | None:
        """Have it pause, resume, stop or cancel; what was done, or None while no driver has answered.

        Raises:
            ConflictError: it has ended.
        """
        ...

    def wait(self, timeout: float | None = None) -> object:
        """Return when it has ended.

        Raises:
            TimeoutError: it has not ended after so many seconds.
        """
        ...

    def retry(self, *, cluster: str | None = None) -> Mapping[str, str]:
        """Begin it once more after its job or process has died; where, by name."""
        ...

    def logs(self, trial: int | None = None) -> str:
        """What its driver has said, or what a trial has printed."""
        ...

    def delete(self) -> None:
        """Drop it with its trials and checkpoints, for good."""
        ...


class Sweeps(Protocol):
    """The sweeps of one store."""

    def sweeps(self, *, state: str | None = None) -> list[dict[str, Any]]:
        """The facts of each, oldest first."""
        ...

    def sweep(self, name: str) -> SweepHandle:
        """One of them.

        Raises:
            NotFoundError: there is none of that name.
        """
        ...


def sweeps_at(store: str | Path | None) -> Sweeps:
    """Those of a store, or of the service at `service+http://host:8000`.

    Raises:
        NotFoundError: there is no such store.
    """
    return ServiceClient(store) if is_service(store) else StoredSweeps(store)
