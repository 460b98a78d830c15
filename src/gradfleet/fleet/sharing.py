"""Sweeps that share a cluster: each one's part of it."""

from __future__ import annotations

from dataclasses import dataclass

from gradfleet.study.places import kept_job
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store


@dataclass(frozen=True, slots=True)
class Sharing:
    """A sweep that was sent to a cluster, and those of the same store that run there too."""

    store: Store
    study: str

    def sweeps(self) -> int:
        """How many they are, this one included; one that is paused, or that nobody drives, does not count.

        Raises:
            StoreError: the store does not answer.
            OSError: the artifacts do not.
        """
        home = _cluster(self.store.study(self.study))
        if home is None:
            return 1
        others = [one for one in self.store.studies(state="running") if one.name != self.study]
        return 1 + sum(_cluster(one) == home and Lease.is_held(self.store, one) is True for one in others)


def _cluster(study: StudyRow) -> str | None:
    """The address that it was sent to; None when it was not."""
    job = kept_job(study.artifacts, study.name)
    return None if job is None else job["cluster"]
