"""Service: what all routes share while a service runs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Annotated, Self

from fastapi import Depends, Request

from gradfleet.errors import NotFoundError
from gradfleet.fleet.own_cluster import OwnCluster
from gradfleet.service import submissions
from gradfleet.service.predictions import Loaded
from gradfleet.service.rates import Rates
from gradfleet.service.recent import Drawn, Recent
from gradfleet.service.settings import ServiceSettings
from gradfleet.service.turns import Turns
from gradfleet.study.board import Board
from gradfleet.study.places import artifacts_of
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study

_BOARDS = 16  # 10,000 trials take about 30 MB
_DRAWINGS = 200
_MODELS = 4


@dataclass(frozen=True)
class Service:
    """An opened store and what the service is started with.

    Attributes:
        artifacts: the URL of the folder for checkpoints and models.
        started: Unix time.
        boards: of the studies that were asked for last.
        predictors: the models that were asked for last.
        drawings: the plots and reports that were asked for last.
        asked: set when there is something for the supervisor.
        exports: as many as models may be exported at a time.
        predicting: the turns of predictions.
        asking: the turns of what asks for sweeps and steers them, which reads specs and waits for drivers.
    """

    settings: ServiceSettings
    store: Store
    artifacts: str
    rates: Rates
    exports: threading.Semaphore
    predicting: Turns
    asking: Turns
    started: float = field(default_factory=time.time)
    boards: Recent[Board] = field(default_factory=lambda: Recent(_BOARDS))
    predictors: Recent[Loaded] = field(default_factory=lambda: Recent(_MODELS))
    drawings: Recent[Drawn] = field(default_factory=lambda: Recent(_DRAWINGS))
    asked: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(cls, settings: ServiceSettings) -> Self:
        """Open the store; the folder for data is made when it is not there.

        Raises:
            StoreError: no store can be there.
            SettingError: the store is a server, and no artifacts are given.
        """
        artifacts, limits = artifacts_of(settings.store, settings.artifacts), settings.limits
        settings.data.mkdir(parents=True, exist_ok=True)
        store = Store.open(settings.store, patience=10.0)
        return cls(
            settings,
            store,
            artifacts,
            Rates(limits.requests, limits.burst),
            threading.Semaphore(limits.exports),
            Turns(limits.predictions, limits.waiting),
            Turns(limits.asking, limits.waiting),
        )

    @property
    def own_cluster(self) -> OwnCluster | None:
        """That of the store; None where sweeps run elsewhere."""
        return OwnCluster.of(self.store.url) if self.settings.cluster is None else None

    def study(self, name: str) -> Study:
        """The study of that name, with a board that is kept from request to request.

        Raises:
            NotFoundError: there is none, or none yet.
        """
        return self.study_of(self.row(name))

    def row(self, name: str) -> StudyRow:
        """The study of that name; errors as of `study`."""
        try:
            return self.store.study(name)
        except NotFoundError:
            if submissions.get(self.store, name) is None:
                raise
            raise NotFoundError(f"{name} was asked for and has no trials yet: ask again when it runs.") from None

    def study_of(self, row: StudyRow) -> Study:
        return Study(self.store, row, board=self.boards.get((row.id, row.created), lambda: Board(self.store, row)))

    def close(self) -> None:
        self.store.close()


def _of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Current = Annotated[Service, Depends(_of)]
"""The service, as an argument of a route."""
