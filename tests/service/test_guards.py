"""What is turned away before any route sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet.errors import SettingError
from gradfleet.service import tokens
from gradfleet.service.app import create_app
from gradfleet.service.settings import Limits, ServiceSettings
from tests.service.conftest import Client


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:9", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("", 421),
    ],
)
def test_only_its_own_names_are_answered(client: Client, host: str, status: int) -> None:
    found = client().get("/v1/health", headers={"Host": host})
    assert found.status_code == status
    if status == 421:
        assert found.json()["detail"].startswith(f"This service is not called {host.removesuffix(':8000')!r}. Start")


def test_names_can_be_allowed(settings: ServiceSettings) -> None:
    outside = replace(settings, host="0.0.0.0", names=("sweeps.example.org",))
    assert "sweeps.example.org" in outside.allowed_hosts
    assert "sweeps.example.org" not in settings.allowed_hosts
    assert (settings.is_loopback, outside.is_loopback) == (True, False)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[FastAPI]:
    limits = Limits(body=100, requests=0.01, burst=3)
    app = create_app(ServiceSettings(store=str(tmp_path / "small.db"), data=tmp_path / "data", limits=limits))
    yield app
    app.state.service.close()


def test_a_body_that_is_too_large_is_refused(small: FastAPI) -> None:
    with TestClient(small, base_url="http://localhost") as client:
        said = client.post("/v1/sweeps", content=b"x" * 101)
        assert (said.status_code, said.json()["detail"]) == (
            413,
            "A body of this request has at most 9.53674e-05 MB.",
        )
        refused = client.get("/v1/health", headers={"Content-Length": "many"})
        assert refused.json()["detail"] == "Content-Length is a number of bytes, got 'many'."


def test_who_asks_too_often_waits_and_others_do_not(small: FastAPI) -> None:
    store = small.state.service.store
    texts = [tokens.create(store, name, scope="read") for name in ("a", "b")]
    with TestClient(small, base_url="http://localhost") as client:
        first, second = ({"Authorization": f"Bearer {text}"} for text in texts)
        assert [client.get("/v1/whoami", headers=first).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = client.get("/v1/whoami", headers=first)
        seconds = int(refused.headers["retry-after"])
        assert 50 < seconds <= 100
        assert refused.json()["detail"] == f"Too many requests; the next one is answered in {seconds} s."
        assert client.get("/v1/whoami", headers=second).status_code == 200
        assert [client.get("/v1/whoami").status_code for _ in range(4)] == [401, 401, 401, 429]


def test_what_there_is_not_says_what_there_is(client: Client) -> None:
    anybody = client()
    missing, wrong = anybody.get("/v1/nothing"), anybody.put("/v1/sweeps")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert missing.json()["detail"] == "There is nothing at /v1/nothing; /openapi.json has every route."
    assert wrong.json()["detail"] == "PUT is not answered at /v1/sweeps; /openapi.json has every route."


def test_noise_fills_neither_the_audit_log_nor_the_metrics(small: FastAPI) -> None:
    text = tokens.create(small.state.service.store, "alice", scope="admin")
    with TestClient(small, base_url="http://localhost") as client:
        for number in range(10):
            assert client.post(f"/v1/nothing{number}").status_code == 404
            assert client.request(f"NOISE{number}", "/v1/sweeps").status_code == 405
        client.headers["Authorization"] = f"Bearer {text}"
        found = client.get("/v1/audit").json()["items"]
        assert [(one["method"], one["path"]) for one in found[::-1]] == [
            ("POST", "/v1/nothing0"),
            ("other", "/v1/sweeps"),
            ("POST", "/v1/nothing1"),
        ]
        assert "NOISE" not in client.get("/v1/metrics").text


def test_who_guesses_at_the_login_waits_too(small: FastAPI) -> None:
    with TestClient(small, base_url="http://localhost", follow_redirects=False) as client:
        said = [client.post("/ui/login", data={"token": "x"}).status_code for _ in range(4)]
        assert said == [401, 401, 401, 429]


def test_an_error_that_nobody_foresaw_tells_nothing_but_where_to_look(
    app: FastAPI, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("a secret")

    found = client().get("/broken")
    assert (found.status_code, found.headers["content-type"]) == (500, "application/problem+json")
    assert "a secret" not in found.text
    mark = found.json()["detail"].rpartition(" ")[2].rstrip(".")
    assert mark in caplog.text


def test_answers_tell_browsers_to_be_careful(client: Client) -> None:
    headers = client().get("/v1/health").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


def test_settings_check_themselves(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="sweeps is at least 1, got 0") as refused:
        ServiceSettings(data=tmp_path, port=70000, sweeps=0, urls=("bucket",), private_urls=("http://",))
    assert len(refused.value.problems) == 4
    assert "A URL prefix of one's own network names its host, such as http://data.intranet/, got 'http://'." in (
        refused.value.problems
    )
    with pytest.raises(SettingError, match="body is more than 0, got 0"):
        Limits(body=0)
