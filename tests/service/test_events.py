"""Events of a sweep: in order, from where a listener left, to the end, and only for who may."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import insert

from gradfleet.service import access, events, tokens
from gradfleet.service.events import Feeds, Told
from gradfleet.service.problems import RefusedError
from gradfleet.service.service import Service
from gradfleet.study.storage import news as storage_news
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.news import Happening, key_of, latest, news
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import records
from gradfleet.training.history import EpochRecord
from tests.service.conftest import SPACE
from tests.study import written

Event = tuple[str, str | None, dict[str, object]]


def parsed(text: str) -> list[Event]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


def test_what_happened_is_told_in_order(store: Store, study: StudyRow) -> None:
    found = news(store, study.id, 0.0)
    assert [(one.kind, one.trial, one.epoch) for one in found if one.trial == 2] == [
        ("began", 2, 0),
        ("record", 2, 1),
        ("record", 2, 2),
        ("ended", 2, 2),
    ]
    assert [one.key for one in found] == sorted(one.key for one in found)
    assert found[-1].about == {"state": "FAIL", "value": None, "reason": "because"}
    assert latest(store, study.id) == found[-1].time
    assert all(key_of(one.id) == one.key for one in found)
    assert news(store, study.id, found[-1].time) == [one for one in found if one.time >= found[-1].time]


@pytest.mark.parametrize("text", ["", "x", "1/2", "nan/1/1/1", "1/2/3/4/5", "inf/0/0/0"])
def test_an_id_that_is_none_is_none(text: str) -> None:
    assert key_of(text) is None


def test_a_stream_of_an_ended_sweep_ends(reader: TestClient, study: StudyRow) -> None:
    found = parsed(reader.get("/v1/sweeps/digits/events").text)
    assert [kind for kind, *_ in found] == ["sweep", "sweep", "end"]
    assert found[-1][2]["state"] == "completed"


def test_a_stream_goes_on_after_the_last_event_that_was_seen(reader: TestClient, store: Store, study: StudyRow) -> None:
    everything = news(store, study.id, 0.0)
    answer = reader.get("/v1/sweeps/digits/events", headers={"Last-Event-ID": everything[2].id})
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [(kind, id) for kind, id, _ in parsed(answer.text) if id is not None]
    assert told == [("record" if one.kind == "record" else "trial", one.id) for one in everything[3:]]
    losses = [about["metrics"]["val_loss"] for kind, _, about in parsed(answer.text) if kind == "record"]  # type: ignore[index]
    assert None in losses  # which is no number


def test_a_stream_of_nothing_is_not_found(reader: TestClient) -> None:
    assert reader.get("/v1/sweeps/nothing/events").status_code == 404


def test_streams_are_limited(app: FastAPI, reader: TestClient, study: StudyRow) -> None:
    app.state.feeds.open = app.state.service.settings.limits.streams
    refused = reader.get("/v1/sweeps/digits/events")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LOOK_EVERY", 0.02)
    monkeypatch.setattr(events, "_ADMITTED_EVERY", 0.05)


def running(store: Store) -> StudyRow:
    values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}
    return store.create_study("live", values)


def listened(service: Service, names: int, work: Callable[[], None], last: str | None = None) -> list[list[Event]]:
    """What so many listeners hear while `work` is done."""
    feeds = Feeds(service)

    async def listen() -> list[Event]:
        return parsed("".join([text async for text in feeds.stream("live", last, lambda: None)]))

    async def all_of_them() -> list[list[Event]]:
        listening = [asyncio.create_task(listen()) for _ in range(names)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(work)
        found = await asyncio.wait_for(asyncio.gather(*listening), 60)
        assert feeds.open == 0
        return found

    return asyncio.run(all_of_them())


@pytest.mark.usefixtures("quick")
def test_every_listener_hears_everything_once_and_then_the_end(service: Service, store: Store) -> None:
    study = running(store)

    def work() -> None:
        with Lease.acquire(store, study) as lease:
            store.set_state(lease, "running")
            for number in range(3):
                written.add_trial(store, lease, number, {"architecture": "mlp"}, seed=0, optuna_number=number)
                for epoch in (1, 2):
                    store.add_record(lease, number, EpochRecord(epoch, {"val_accuracy": 0.5}))
                written.end_trial(store, lease, number, "COMPLETE")
            store.set_state(lease, "completed")

    for heard in listened(service, 5, work):
        told = [id for _, id, _ in heard if id is not None]
        assert told == [one.id for one in news(store, study.id, 0.0)]
        assert len(told) == 12
        assert (heard[0][0], heard[-1][0]) == ("sweep", "end")


@pytest.mark.usefixtures("quick")
def test_listeners_that_come_at_once_and_a_burst_of_records_lose_nothing(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were each to look at what there was before, the second would take for old what the first has not heard."""
    study, looks = running(store), iter([0.0, 0.5, 0.5])

    def slower(*about: Any) -> float:
        time.sleep(next(looks))
        return latest(*about)

    monkeypatch.setattr(events, "latest", slower)
    monkeypatch.setattr(storage_news, "_AT_ONCE", 5)

    def work() -> None:
        with Lease.acquire(store, study) as lease:
            store.set_state(lease, "running")
            written.add_trial(store, lease, 0, {"architecture": "mlp"}, seed=0, optuna_number=0)
            for epoch in range(1, 31):
                store.add_record(lease, 0, EpochRecord(epoch, {"val_accuracy": 0.5}))
            time.sleep(0.6)
            written.end_trial(store, lease, 0, "COMPLETE")
            store.set_state(lease, "completed")

    for heard in listened(service, 3, work):
        assert [id for _, id, _ in heard if id is not None] == [one.id for one in news(store, study.id, 0.0)]


def test_all_of_one_moment_is_read_in_however_many_parts(store: Store, study: StudyRow) -> None:
    before = len(news(store, study.id, 0.0))
    rows = [
        {"study_id": study.id, "number": 0, "epoch": epoch, "metrics": {}, "checkpoint": None, "time": 2e9}
        for epoch in range(100, 112)
    ]
    store.database.write(lambda connection: connection.execute(insert(records), rows))
    everything = [one.key for one in news(store, study.id, 0.0)]
    assert len(everything) == before + 12
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage_news, "_AT_ONCE", 5)
        assert [one.key for part in storage_news.all_news(store, study.id, 0.0) for one in part] == everything
        ((last,),) = storage_news.all_news(store, study.id, 2e9, after=everything[-2])
        assert last.key == everything[-1]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("seconds", "why"), [(None, "was revoked"), (0.3, "has expired")])
def test_a_token_that_counts_no_more_ends_its_stream_with_the_reason(
    service: Service, store: Store, seconds: float | None, why: str
) -> None:
    running(store)
    token = tokens.find(store, tokens.create(store, "alice", scope="read", seconds=seconds))
    assert token is not None
    feeds = Feeds(service)

    async def listen() -> list[Event]:
        stream = feeds.stream("live", None, lambda: access.still_admitted(service, token))
        return parsed("".join([text async for text in stream]))

    async def both() -> list[Event]:
        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.3)
        if seconds is None:
            tokens.revoke(store, "alice")
        return await asyncio.wait_for(listening, 30)

    kind, _, about = asyncio.run(both())[-1]
    assert (kind, about["status"], about["detail"]) == (
        "problem",
        401,
        f"The token 'alice' {why}. Ask for another one.",
    )


@pytest.mark.usefixtures("quick")
def test_a_listener_that_reads_too_slowly_is_left_behind(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = events.Feed(service, "live", 1)
    monkeypatch.setattr(events, "_BEHIND", 2)
    listener = events.Listener(asyncio.Queue(2))
    feed._listeners.add(listener)
    for epoch in range(3):
        feed._tell(Told("text", (1.0, 0, epoch, 1)))
    assert listener.is_behind
    assert feed._listeners == set()
    assert replace(Happening(1.0, 0, 0, "record", {}), epoch=2).id == "1.0/0/2/1"

    async def rest() -> list[str]:
        return [text async for text in Feeds(service)._live(listener, set(), lambda: None)]

    with pytest.raises(RefusedError, match="You are 2 events behind; come back with the Last-Event-ID that you have"):
        asyncio.run(rest())


def test_as_many_streams_as_were_let_in_at_once_are_told_that_they_are_too_many(service: Service, store: Store) -> None:
    running(store)
    feeds = Feeds(service)
    feeds.open = service.settings.limits.streams

    async def listen() -> str:
        return "".join([text async for text in feeds.stream("live", None, lambda: None)])

    ((kind, _, about),) = parsed(asyncio.run(listen()))
    assert (kind, about["status"]) == ("problem", 503)


@pytest.mark.usefixtures("quick")
def test_who_comes_late_is_told_the_state_and_the_end_once(service: Service, store: Store) -> None:
    study = running(store)
    feeds = Feeds(service)

    async def listen() -> list[Event]:
        return parsed("".join([text async for text in feeds.stream("live", None, lambda: None)]))

    async def both() -> list[list[Event]]:
        first = asyncio.create_task(listen())
        await asyncio.sleep(0.3)
        second = asyncio.create_task(listen())
        await asyncio.sleep(0.3)
        with Lease.acquire(store, study) as lease:
            store.set_state(lease, "stopped")
        return await asyncio.wait_for(asyncio.gather(first, second), 30)

    for heard in asyncio.run(both()):
        assert [(kind, about["state"]) for kind, _, about in heard] == [
            ("sweep", "queued"),
            ("sweep", "queued"),
            ("sweep", "stopped"),
            ("end", "stopped"),
        ]
    assert feeds._feeds == {}
