"""Who drives a study elsewhere: the seam between a handle and whatever runs its sweep."""

from __future__ import annotations

from typing import Protocol


class Driver(Protocol):
    """A driver that is no process of this host."""

    def failure(self) -> str | None:
        """Why it has ended without having done its work; None while it may still do it, or when it has."""
        ...

    def logs(self) -> str:
        """What it has said so far."""
        ...
