"""optuna-dashboard stands behind the login, shows the studies of the store, and changes none."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet.service import tokens
from gradfleet.service.dashboard import PLACES
from gradfleet.study.study import Study
from tests.service.conftest import Client


def test_it_shows_the_trials_of_a_sweep(visitor: TestClient, done: Path) -> None:
    address = visitor.get("/ui/sweeps/tiny/dashboard").headers["location"]
    page = visitor.get(address)
    assert "Optuna Dashboard" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    script = visitor.get("/static/bundle.js")
    assert (script.status_code, len(script.content) > 10**6) == (200, True)
    found = visitor.get(f"/api{address.removeprefix('/dashboard')}").json()
    study = Study.attach("tiny", store=done / "gradfleet.db")
    assert [one["values"] for one in found["trials"]] == [[trial.value] for trial in study.trials]
    assert visitor.get(f"/csv/{address.rpartition('/')[2]}").text.count("COMPLETE") == 2
    assert visitor.get("/ui/sweeps/nothing/dashboard").status_code == 404


def test_nobody_changes_anything_through_it(visitor: TestClient, done: Path) -> None:
    before = visitor.get("/api/studies").json()
    for method, path in (("DELETE", "/api/studies/1"), ("POST", "/api/studies"), ("POST", "/api/trials/1/tell")):
        refused = visitor.request(method, path, json={"study_name": "new", "directions": ["maximize"]})
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        assert refused.json()["detail"].startswith("optuna-dashboard is there to look at")
    assert visitor.get("/api/studies").json() == before
    assert len(Study.attach("tiny", store=done / "gradfleet.db").trials) == 2


def test_who_has_not_logged_in_sees_nothing_of_it(app: FastAPI, client: Client) -> None:
    expired = tokens.create(app.state.service.store, "old", scope="admin", seconds=1e-9)
    for cookies in ({}, {"gradfleet_token": expired}):
        stranger = client()
        stranger.follow_redirects = False
        stranger.cookies.update(cookies)
        for place in PLACES:
            for method in ("GET", "DELETE"):
                found = stranger.request(method, f"{place}/studies")
                if place == "/dashboard":
                    assert found.headers["location"] == "/ui/login?next=%2Fdashboard%2Fstudies"
                else:
                    assert (found.status_code, found.headers["content-type"]) == (401, "application/problem+json")
