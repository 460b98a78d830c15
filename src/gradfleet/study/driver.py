"""Who drives a study elsewhere: the seam between a handle and whatever runs its sweep."""

from __future__ import annotations

from typing import Protocol

from gradfleet.errors import NotFoundError


class Driver(Protocol):
    """A driver that is no process of this host."""

    @property
    def page(self) -> str | None:
        """Where a browser shows it, as far as is known."""
        ...

    def is_going(self) -> bool:
        """Whether it waits for its turn or works, as far as can be told from here."""
        ...

    def failure(self) -> str | None:
        """Why it has ended without having done its work; None while it may still do it, or when it has."""
        ...

    def logs(self) -> str:
        """What it has said so far."""
        ...


def no_log(study: str) -> NotFoundError:
    """The error for a study whose driver has said nothing that can be read here."""
    return NotFoundError(f"{study} has no log here: it was driven by the process that began it, or on another host.")
