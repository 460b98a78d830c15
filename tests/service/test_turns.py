"""Predictions that take long wait in a line of their own, whose length has an end; everything else goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gradfleet.service import tokens
from gradfleet.service.app import create_app
from gradfleet.service.predictions import Loaded
from gradfleet.service.service import Service
from gradfleet.service.settings import Limits, ServiceSettings
from tests.service.conftest import listening, write_study

ITEM = {"items": [[1.0]]}
WAITING = 48
"""More than the threads that all other requests share."""


@dataclass
class Slow:
    """A model that takes as long as it is told."""

    labels: tuple[str, ...] = ()
    asked: list[Any] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def predict(self, items: list[Any]) -> list[float]:
        self.asked.append(items)
        assert self.goes_on.wait(300)
        return [0.5 for _ in items]


@pytest.fixture
def busy(settings: ServiceSettings) -> Iterator[FastAPI]:
    app = create_app(replace(settings, limits=Limits(predictions=2, waiting=WAITING)))
    yield app
    app.state.service.close()


def line_up(client: httpx.Client, service: Service, threads: ThreadPoolExecutor) -> list[Future[httpx.Response]]:
    """As many questions as have room, when all of them are there."""
    asked = [threads.submit(client.post, "/v1/sweeps/digits/predictions", json=ITEM) for _ in range(2 + WAITING)]
    deadline = time.monotonic() + 120
    while service.predicting.waiting < WAITING:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return asked


def test_a_line_of_slow_predictions_leaves_other_requests_alone(busy: FastAPI) -> None:
    service: Service = busy.state.service
    study, slow = write_study(service.store), Slow()
    text = tokens.create(service.store, "alice", scope="admin")
    best = service.study("digits").best
    service.predictors.get(("sweep", study.id, best.number, best.checkpoint), lambda: Loaded(slow, None))
    with (
        listening(busy) as address,
        httpx.Client(
            base_url=address.removeprefix("service+"),
            headers={"Authorization": f"Bearer {text}"},
            cookies={"gradfleet_token": text},
            timeout=120,
            limits=httpx.Limits(max_connections=100),
        ) as client,
        ThreadPoolExecutor(2 + WAITING) as threads,
    ):
        asked = line_up(client, service, threads)
        refused = client.post("/v1/sweeps/digits/predictions", json=ITEM)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"] == "48 requests wait for their turn already; ask again in 5 s."
        for path in ("/v1/health", "/v1/ready", "/v1/sweeps/digits/leaderboard", "/ui/sweeps/digits"):
            assert client.get(path).status_code == 200, path
        assert len(slow.asked) == 1  # the other of the two waits for the model
        slow.goes_on.set()
        assert {one.result().status_code for one in asked} == {200}
    assert len(slow.asked) == 2 + WAITING
