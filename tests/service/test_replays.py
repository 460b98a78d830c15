"""Trials that are trained again over HTTP: one process each, which outlives the service."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from gradfleet.errors import NotFoundError
from gradfleet.service import replays, tokens
from gradfleet.service.problems import RefusedError
from gradfleet.service.tokens import Scope
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import replays as table
from gradfleet.study.study import Study
from tests.service.conftest import Client, logged_in
from tests.service.html_page import HtmlPage
from tests.service.running import Running, spec, write_recipe
from tests.study.conftest import artifacts as artifacts
from tests.study.conftest import pytest_generate_tests as pytest_generate_tests
from tests.study.conftest import url as url

REPLAY = "/v1/sweeps/digits/trials/2/replay"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gradfleet.db"


def asked(store: Store, study: StudyRow, number: int = 2, *, room: int = 2) -> int | None:
    return replays.claim(store, study.id, number, recorded=0.9, by="alice", room=room)


def ended(client: TestClient, address: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (found := client.get(address).json())["state"] == "running":
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return dict(found)


@pytest.mark.stores
def test_of_many_at_once_one_begins_it(url: str, artifacts: str) -> None:
    with Store.open(url) as store:
        values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": {"entries": []}}
        study = store.create_study("digits", values, artifacts=artifacts)

        def ask(_: int) -> int | None:
            with Store.open(url) as own:
                return asked(own, study)

        with ThreadPoolExecutor(4) as threads:
            assert sorted(one or 0 for one in threads.map(ask, range(4))) == [0, 0, 0, 1]
        assert (replays.running(store, study.id), replays.get(store, study.id, 2).state) == ([2], "running")
        assert replays.tell(store, study.id, 2, 1, [{"epoch": 1, "metrics": {"val_loss": None}}])
        assert replays.settle(store, study.id, 2, 1, value=0.9, epoch=1)
        found = replays.get(store, study.id, 2)
        assert (found.state, found.value, found.created_by, found.problem) == ("done", 0.9, "alice", None)
        assert (found.epoch, found.records) == (1, [{"epoch": 1, "metrics": {"val_loss": None}}])
        assert (asked(store, study), replays.get(store, study.id, 2).value) == (2, None)
        assert replays.get(store, study.id, 2).records == []


def test_what_a_dead_process_held_has_failed_and_its_late_words_count_for_nothing(
    store: Store, study: StudyRow
) -> None:
    assert asked(store, study) == 1
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    store.database.write(
        lambda connection: connection.execute(update(table).values(pid=process.pid, process_started=1.0))
    )
    found = replays.get(store, study.id, 2)
    assert (found.state, found.problem) == ("failed", "Its process has died; ask again.")
    assert replays.running(store, study.id) == []
    assert asked(store, study) == 2
    assert not replays.take_over(store, study.id, 2, 1)
    assert not replays.settle(store, study.id, 2, 1, value=0.1)
    assert replays.take_over(store, study.id, 2, 2)


def test_a_machine_trains_so_many_again_side_by_side(store: Store, study: StudyRow) -> None:
    assert asked(store, study, 0, room=1) == 1
    with pytest.raises(RefusedError, match="1 trials are trained again at the moment, as many as may"):
        asked(store, study, 1, room=1)
    assert asked(store, study, 0, room=1) is None
    with pytest.raises(NotFoundError, match="Nobody has had trial 1 trained again"):
        replays.get(store, study.id, 1)


def bearing(app: FastAPI, scope: Scope) -> TestClient:
    text = tokens.create(app.state.service.store, f"{scope}-{time.monotonic_ns()}", scope=scope)
    return TestClient(app, base_url="http://127.0.0.1:8000", headers={"Authorization": f"Bearer {text}"})


def last_claim(app: FastAPI) -> int:
    store: Store = app.state.service.store
    return store.database.read(lambda connection: connection.execute(select(table.c.claim)).scalar()) or 0


@pytest.mark.slow
def test_two_clients_have_a_trial_trained_again_once_and_its_value_comes_out_again(served: FastAPI, done: Path) -> None:
    page = "/ui/sweeps/tiny/trials/0"
    address = f"/v1{page.removeprefix('/ui')}/replay"
    browser, reader = logged_in(served, "run"), bearing(served, "read")
    button = next(form for form in HtmlPage(browser.get(page).text).forms if form.action == f"{page}/replay")
    before = last_claim(served)
    clients = [bearing(served, "run") for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda one: one.post(address), clients))
    assert browser.post(button.action, data=button.fields).headers["location"] == page
    assert [(one.status_code, one.json()["state"]) for one in answers] == [(202, "running")] * 2
    study = Study.attach("tiny", store=done / "gradfleet.db")
    assert last_claim(served) == before + 1
    assert "running" in HtmlPage(browser.get(page).text).text
    found = ended(reader, address)
    assert (found["state"], found["value"], found["same"]) == ("done", study.trial(0).value, True), found
    (record,) = found["records"]
    assert (found["epoch"], record["epoch"], record["metrics"]["val_accuracy"]) == (1, 1, found["value"])
    assert "The recorded value came out again" in HtmlPage(browser.get(page).text).text
    assert not list(Path(study.artifacts.url, "tiny").glob("replay-*"))


@pytest.mark.slow
def test_a_replay_that_fails_says_why(runner: TestClient, admin: TestClient, study: StudyRow) -> None:
    begun = runner.post(REPLAY)
    assert (begun.status_code, begun.json()["recorded"], begun.json()["same"]) == (202, 0.9, None)
    refused = admin.delete("/v1/sweeps/digits")
    assert (refused.status_code, "Trial 2 of digits is being trained again" in refused.json()["detail"]) == (409, True)
    found = ended(runner, REPLAY)
    assert (found["state"], found["value"], found["same"]) == ("failed", None, None)
    assert "This study's recipe was written by value (nowhere)" in found["problem"]
    assert found["ended"] > found["created"]
    assert admin.delete("/v1/sweeps/digits").status_code == 204


def test_what_cannot_come_out_again_is_refused_and_nothing_is_begun(
    runner: TestClient, store: Store, study: StudyRow
) -> None:
    refused = runner.post("/v1/sweeps/digits/trials/3/replay")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "Trial 3 of digits cannot be trained again: it has no value: FAIL.",
    )
    assert runner.post("/v1/sweeps/digits/trials/9/replay").status_code == 404
    assert runner.post("/v1/sweeps/nothing/trials/0/replay").status_code == 404
    assert runner.get(REPLAY).json()["detail"] == ("Nobody has had trial 2 trained again; POST to this address does.")
    assert replays.running(store, study.id) == []


def test_who_may_only_look_sees_no_button(app: FastAPI, client: Client, study: StudyRow) -> None:
    page = "/ui/sweeps/digits/trials/2"
    assert f"{page}/replay" in [form.action for form in HtmlPage(logged_in(app, "run").get(page).text).forms]
    assert f"{page}/replay" not in [form.action for form in HtmlPage(logged_in(app, "read").get(page).text).forms]


@pytest.mark.slow
def test_a_replay_of_a_named_recipe_outlives_the_service(tmp_path: Path) -> None:
    write_recipe(tmp_path, seconds=0.5)
    service = Running(tmp_path, "--cluster", "inline")
    try:
        service.ask("/v1/sweeps", spec("one", trials=1, seed=3))
        service.wait_for("one", "completed", seconds=120)
        begun = service.ask("/v1/sweeps/one/trials/0/replay", {})
        service.kill()
        service.begin()
        deadline = time.monotonic() + 60
        while (found := service.ask("/v1/sweeps/one/trials/0/replay"))["state"] == "running":
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert (found["same"], found["created"], found["recorded"]) == (True, begun["created"], begun["recorded"])
    finally:
        service.end()
