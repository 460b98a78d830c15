"""StoredStudy: what the store says of one study."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from gradfleet.goal import Aim
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.ranking import leaderboard, ranked
from gradfleet.study.standings import Standings
from gradfleet.study.storage.provenance import Provenance
from gradfleet.study.storage.rows import StudyRow, StudyState, TrialRow
from gradfleet.study.storage.store import Store


class StoredStudy:
    """Reads a study whenever it is asked; what it does not ask again cannot change."""

    def __init__(self, store: Store, row: StudyRow) -> None:
        self._store = store
        self._id = row.id
        self.name = row.name
        self.spec: Mapping[str, Any] = row.spec
        self.objective: Aim = row.objective
        self.artifacts = Artifacts(row.artifacts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, store={self._store.url!r})"

    @property
    def row(self) -> StudyRow:
        """All that the store says of the study: spec, seed, fingerprint, versions, commit."""
        return self._store.study(self.name)

    @property
    def provenance(self) -> Provenance:
        """What the study was made with: seed, data, commit, packages, and the source of what trains."""
        row = self.row
        return Provenance(
            created=row.created,
            seed=row.seed,
            commit=row.git_commit,
            dirty=row.git_dirty,
            packages=row.versions,
            fingerprint=row.fingerprint,
            sources=self._store.sources(self._id),
        )

    @property
    def store_url(self) -> str:
        """Where the study is kept, without the store's password."""
        return self._store.url

    @property
    def state(self) -> StudyState:
        return self.row.state

    @property
    def trials(self) -> list[TrialRow]:
        """All trials by number, failed and running ones included."""
        return self._store.trials(self._id)

    def standings(self) -> Standings:
        """The same leaderboard as an object that a notebook, a terminal and a page can show, and that gives JSON."""
        row = self.row
        trials, records = self._store.standings(self._id)
        frame = leaderboard(trials, records.values(), self.objective, now=time.time())
        ranking = ranked(trials, records.values(), self.objective)
        by_number = {trial.number: trial for trial in trials}
        best = ranking[0][0] if ranking else None
        return Standings(self.name, row.state, self.objective, frame, by_number, records, best)
