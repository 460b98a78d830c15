"""Deleting a study: its trials, its artifacts and Optuna's copy, for good."""

from __future__ import annotations

from gradfleet.study.artifacts import Artifacts
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store


def delete_study(store: Store, study: StudyRow, *, unless_recorded: bool = False) -> bool:
    """Drop a study that nobody drives; False when it was kept.

    Args:
        unless_recorded: keep one that has a record, or that is another one of this name by now.

    Raises:
        LeaseHeldError: a driver works on it; stop that first.
    """
    from gradfleet.study.mirror.mirror import delete_mirror  # imports Optuna, which readers can do without

    lease = Lease.acquire(store, study, wait=False)
    try:
        if unless_recorded and (store.has_records(study.id) or store.study(study.name).created != study.created):
            return False
        artifacts = Artifacts(study.artifacts)
        artifacts.delete(artifacts.study(study.name))
        for generation in store.generations(study.id):
            delete_mirror(store.database, generation.optuna_name)
        store.delete_study(lease)
    finally:
        lease.release()
    return True
