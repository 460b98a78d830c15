"""Observation: what was asked, by whom, and how long it took; for the audit log and for Prometheus."""

from __future__ import annotations

import logging
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import func, insert, select
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradfleet.errors import GradfleetError
from gradfleet.service import documents, views
from gradfleet.service.service import Service
from gradfleet.study.storage.overview import trial_states
from gradfleet.study.storage.tables import audit

_LOOKS = ("GET", "HEAD", "OPTIONS")
_METHODS = (*_LOOKS, "POST", "PUT", "PATCH", "DELETE")
_log = logging.getLogger("gradfleet.service")


class Metrics:
    """The numbers of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "gradfleet_requests", "Requests that were answered.", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "gradfleet_request_seconds", "Until the first byte of an answer.", labels, registry=self.registry
        )
        self._sweeps = Gauge("gradfleet_sweeps", "Sweeps by state.", ("state",), registry=self.registry)
        self._trials = Gauge("gradfleet_trials", "Trials by state.", ("state",), registry=self.registry)
        self._streams = Gauge("gradfleet_event_streams", "Streams of events that are open.", registry=self.registry)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def exposition(self, service: Service, *, streams: int) -> bytes:
        """Everything as Prometheus reads it, with the store as it is now."""
        self._streams.set(streams)
        self._sweeps.clear()
        for state, count in views.states(service).items():
            self._sweeps.labels(state).set(count)
        self._trials.clear()
        for name, number in trial_states(service.store).items():
            self._trials.labels(name).set(number)
        return generate_latest(self.registry)


class Observation:
    """Counts every answer, and writes into the audit log who changed something or was refused."""

    def __init__(self, app: ASGIApp, *, service: Service, metrics: Metrics) -> None:
        self._app = app
        self._service = service
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        state: dict[str, Any] = scope.setdefault("state", {})

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                self._metrics.note(_method(scope), _route(scope), status, time.monotonic() - began)
                is_one = scope["method"] not in _LOOKS or status in (401, 403)
                if is_one and self._is_heard(scope, state):
                    await run_in_threadpool(self._write, scope, state, status)
            await send(message)

        await self._app(scope, receive, noted)

    def _is_heard(self, scope: Scope, state: dict[str, Any]) -> bool:
        """Who has no token is noted as often as it may ask, or anybody could fill the store with noise."""
        return state.get("token") is not None or self._service.rates.wait_of(f"unknown at {_address(scope)}") == 0

    def _write(self, scope: Scope, state: dict[str, Any], status: int) -> None:
        token = state.get("token")
        values = {"time": time.time(), "token": None if token is None else token.name, "status": status}
        values |= {
            "address": _address(scope),
            "method": _method(scope),
            "path": scope["path"][:500],
        }
        try:
            self._service.store.database.write(lambda connection: connection.execute(insert(audit).values(values)))
        except GradfleetError as error:  # the answer is on its way
            _log.warning("Not in the audit log: %s (%s)", values, error)


def actions(service: Service, *, limit: int, offset: int) -> documents.Page[documents.Action]:
    """The audit log, the newest first."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit).offset(offset)
    count = select(func.count()).select_from(audit)
    rows, total = service.store.database.read(
        lambda connection: (connection.execute(query).all(), connection.execute(count).scalar_one())
    )
    found = [
        documents.Action(
            time=row.time, token=row.token, address=row.address, method=row.method, path=row.path, status=row.status
        )
        for row in rows
    ]
    return views.page(found, total=total, offset=offset)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0][:100] if client else "unknown"


def _method(scope: Scope) -> str:
    """One of those that there are: anything can be sent as one."""
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    """The path with names in the place of values: so few that each can be counted."""
    path = getattr(scope.get("route"), "path", None)
    if not isinstance(path, str):
        return "other"
    return f"/v1{path}" if scope["path"].startswith("/v1/") and not path.startswith("/v1/") else path
