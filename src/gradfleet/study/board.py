"""Board: the ranking of a study, kept in memory and brought up to date from what has changed in the store."""

from __future__ import annotations

import threading

from gradfleet.study.ranking import Ranking
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store


class Board:
    """What a study's trials are, never older than the moment of the question; threads may share it.

    A first look reads all trials, a later one only those that have changed since.
    """

    def __init__(self, store: Store, study: StudyRow) -> None:
        self._store = store
        self._study_id = study.id
        self._ranking = Ranking(study.objective)
        self._revision = -1
        self._lock = threading.Lock()

    def ranking(self) -> Ranking:
        """The ranking as it is now."""
        with self._lock:
            changes = self._store.changes(self._study_id, self._revision)
            if changes.trials:
                self._ranking = self._ranking.changed(changes.trials, changes.records)
            self._revision = changes.revision
            return self._ranking
