"""StoredStudy: what the store says of one study."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from gradfleet.goal import Aim
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.board import Board
from gradfleet.study.standings import Standings
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.provenance import Provenance
from gradfleet.study.storage.rows import StudyRow, StudyState, TrialRow
from gradfleet.study.storage.store import Store


class StoredStudy:
    """Reads a study whenever it is asked; what it does not ask again cannot change.

    Args:
        board: the study's, where it is kept for longer than this object.
    """

    def __init__(self, store: Store, row: StudyRow, *, board: Board | None = None) -> None:
        self._store = store
        self._board = Board(store, row) if board is None else board
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
        return list(self._board.ranking().trials.values())

    def facts(self) -> dict[str, Any]:
        """What `gradfleet sweep show --json` says of it."""
        standings = self.standings()
        states = [trial.state for trial in standings.ranking.trials.values()]
        best = None if standings.best is None else standings.ranking.trials[standings.best].value
        return {
            "name": self.name,
            "state": standings.state,
            "trials": len(states),
            "running": states.count("RUNNING"),
            "failed": states.count("FAIL"),
            "objective": {"metric": self.objective.metric, "mode": self.objective.mode},
            "best": best,
            "problem": self._problem(self.row),
            "store": self.store_url,
            "artifacts": self.artifacts.url,
        }

    def _problem(self, row: StudyRow) -> str | None:
        """Why it has failed, or that nobody works on it although it has not ended."""
        if row.state in ("running", "paused") and Lease.is_held(self._store, row) is False:
            return "Its driver has died, or does not reach the store; run it again with resume=True, or --resume."
        return row.problem

    def standings(
        self,
        where: str | Iterable[str] = (),
        sort: str | Iterable[str] = (),
        *,
        top: int | None = None,
        with_default: bool = False,
    ) -> Standings:
        """The same leaderboard as an object that a notebook, a terminal and a page can show, and that gives JSON.

        Args:
            with_default: the default configuration's trial, 0, too, wherever it stands.

        Raises:
            SettingError: as `leaderboard`.
        """
        state, ranking = self.state, self._board.ranking()
        found = Standings(self.name, state, ranking, ranking.listed, time.time())
        return found.select(where, sort).top(top, with_default=with_default)
