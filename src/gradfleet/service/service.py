"""Service: what all routes share while a service runs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Annotated, Self

from fastapi import Depends, Request

from gradfleet.service.predictions import Predictors
from gradfleet.service.rates import Rates
from gradfleet.service.settings import ServiceSettings
from gradfleet.study.places import artifacts_of
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study


@dataclass(frozen=True)
class Service:
    """An opened store and what the service is started with.

    Attributes:
        artifacts: the URL of the folder for checkpoints and models.
        started: Unix time.
        predictors: the models that were asked for last.
        asked: set when there is something for the supervisor.
    """

    settings: ServiceSettings
    store: Store
    artifacts: str
    rates: Rates
    started: float = field(default_factory=time.time)
    predictors: Predictors = field(default_factory=Predictors)
    asked: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(cls, settings: ServiceSettings) -> Self:
        """Open the store; the folder for data is made when it is not there.

        Raises:
            StoreError: no store can be there.
            SettingError: the store is a server, and no artifacts are given.
        """
        artifacts = artifacts_of(settings.store, settings.artifacts)
        settings.data.mkdir(parents=True, exist_ok=True)
        store = Store.open(settings.store, patience=10.0)
        return cls(settings, store, artifacts, Rates(settings.limits.requests, settings.limits.burst))

    def study(self, name: str) -> Study:
        """The study of that name.

        Raises:
            NotFoundError: there is none.
        """
        return Study(self.store, self.store.study(name))

    def close(self) -> None:
        self.store.close()


def _of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Current = Annotated[Service, Depends(_of)]
"""The service, as an argument of a route."""
