"""States of studies that nobody drives."""

from __future__ import annotations

from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyState
from gradfleet.study.storage.store import Store


def mark(store: Store, study: str, state: StudyState, *, problem: str | None = None) -> None:
    """Write a state for a study that nobody drives.

    Args:
        problem: why it has failed.

    Raises:
        LeaseHeldError: a living driver holds it.
    """
    with Lease.acquire(store, store.study(study), wait=False) as lease:
        store.set_state(lease, state, problem=problem)
