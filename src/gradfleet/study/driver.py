"""Who drives a study elsewhere: the seam between a handle and whatever runs its sweep."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from gradfleet.errors import NotFoundError
from gradfleet.study.places import kept_job
from gradfleet.study.storage.rows import StudyRow


class Driver(Protocol):
    """A driver that is no process of this host."""

    def is_going(self) -> bool:
        """Whether it waits for its turn or works, as far as can be told from here."""
        ...

    def failure(self) -> str | None:
        """Why it has ended without having done its work; None while it may still do it, or when it has."""
        ...

    def logs(self) -> str:
        """What it has said so far."""
        ...


def driver_of(study: StudyRow) -> Driver | None:
    """Whoever drives a study that was sent elsewhere, as its sender has named it; None for one driven from a host."""
    kept = kept_job(study.artifacts, study.name)
    sender = "" if kept is None else kept.get("driver", "")
    module, _, name = sender.partition(":")
    if module.split(".")[0] != "gradfleet":
        return None
    found: Driver = getattr(import_module(module), name)(study)
    return found


def no_log(study: str) -> NotFoundError:
    """The error for a study whose driver has said nothing that can be read here."""
    return NotFoundError(f"{study} has no log here: it was driven by the process that began it, or on another host.")
