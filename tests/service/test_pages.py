"""The pages: who sees them, what they show, and that nothing in them is anybody else's code or address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet.service import tokens
from gradfleet.service.tokens import Scope
from gradfleet.study.storage import requests
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow, StudyState
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from tests.service.conftest import SPACE, Client, logged_in, write_study
from tests.service.html_page import HtmlPage
from tests.study import written

EVIL = "</td><script>alert(1)</script>\" onmouseover='x'"

PAGES = (
    "/ui/",
    "/ui/sweeps/digits",
    "/ui/sweeps/digits/trials/2",
    "/ui/sweeps/digits/trials/3",
    "/ui/sweeps/digits/logs",
    "/ui/models",
    "/ui/data",
    "/ui/compare?sweep=digits",
    "/ui/nothing",
)


@pytest.fixture
def browser(app: FastAPI) -> Iterator[TestClient]:
    with closing(logged_in(app, "read")) as one:
        yield one


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    with closing(TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False)) as one:
        yield one


def test_the_bare_address_leads_to_the_pages(stranger: TestClient) -> None:
    assert stranger.get("/").headers["location"] == "/ui/"


@pytest.mark.parametrize("path", [*PAGES, "/ui/sweeps/digits/plots/history.svg"])
def test_who_has_not_logged_in_is_led_to_the_login_and_back(app: FastAPI, stranger: TestClient, path: str) -> None:
    write_study(app.state.service.store)
    found = stranger.get(path)
    assert found.status_code == 303
    form = HtmlPage(stranger.get(found.headers["location"]).text).form("/ui/login")
    token = tokens.create(app.state.service.store, "alice", scope="read")
    entered = stranger.post("/ui/login", data={**form.fields, "token": f" {token}\n"})
    assert (entered.status_code, entered.headers["location"]) == (303, path)


def test_the_cookie_is_kept_from_scripts_and_other_sites(app: FastAPI, stranger: TestClient) -> None:
    form = HtmlPage(stranger.get("/ui/login").text).form("/ui/login")
    token = tokens.create(app.state.service.store, "alice", scope="read")
    cookie = stranger.post("/ui/login", data={**form.fields, "token": token}).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("gf_nonsense", "No token is like this one."),
        ("", "No token is like this one."),
        ("expired", "The token 'old' has expired."),
    ],
)
def test_a_token_that_does_not_count_says_why(app: FastAPI, stranger: TestClient, token: str, said: str) -> None:
    if token == "expired":
        token = tokens.create(app.state.service.store, "old", scope="read", seconds=1e-9)
    form = HtmlPage(stranger.get("/ui/login").text).form("/ui/login")
    refused = stranger.post("/ui/login", data={**form.fields, "token": token})
    assert refused.status_code == 401
    assert said in HtmlPage(refused.text).text
    assert "gradfleet_token" not in stranger.cookies


def test_a_token_that_is_revoked_ends_the_visit_and_says_so(app: FastAPI, browser: TestClient) -> None:
    tokens.revoke(app.state.service.store, "browser-read")
    found = browser.get("/ui/")
    assert found.status_code == 303
    assert "was revoked" in HtmlPage(browser.get(found.headers["location"]).text).text


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/ui/", "javascript:alert(1)"])
def test_the_login_leads_nowhere_else(app: FastAPI, stranger: TestClient, elsewhere: str) -> None:
    form = HtmlPage(stranger.get("/ui/login", params={"next": elsewhere}).text).form("/ui/login")
    token = tokens.create(app.state.service.store, "alice", scope="read")
    entered = stranger.post("/ui/login", data={**form.fields, "token": token})
    assert entered.headers["location"] == "/ui/"


@pytest.mark.parametrize("csrf", [None, "", "0" * 64, "é"])
def test_a_form_of_somebody_else_is_refused(app: FastAPI, browser: TestClient, csrf: str | None) -> None:
    token = tokens.create(app.state.service.store, "alice", scope="read")
    own = {} if csrf is None else {"csrf": csrf}
    for path, fields in {"/ui/login": {"token": token}, "/ui/logout": {}}.items():
        refused = browser.post(path, data={**fields, **own})
        assert refused.status_code == 403
        assert "This form was not sent from a page of this service" in HtmlPage(refused.text).text
    assert browser.get("/ui/").status_code == 200


def test_logging_out_forgets_the_token(browser: TestClient) -> None:
    form = HtmlPage(browser.get("/ui/").text).form("/ui/logout")
    assert browser.post(form.action, data=form.fields).headers["location"] == "/ui/login"
    assert browser.get("/ui/").status_code == 303


@pytest.mark.parametrize("path", [*PAGES, "/ui/login"])
def test_a_page_asks_nobody_else_for_anything_and_guards_its_forms(
    browser: TestClient, study: StudyRow, path: str
) -> None:
    found = browser.get(path)
    page = HtmlPage(found.text)
    assert [one for one in page.addresses if not one.startswith(("/ui/", "#", "data:,"))] == []
    assert "http" not in found.text.replace("http-equiv", "")
    assert [form for form in page.forms if form.method == "post" and len(form.fields.get("csrf", "")) != 64] == []
    assert [tag for tag, values in page.tags if any(name.startswith("on") for name in values)] == []
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert page.all("main")
    assert page.all("html")[0]["lang"] == "en"
    labelled = {one["for"] for one in page.all("label") if "for" in one}
    assert all(
        one.get("type") in ("hidden", "search", "checkbox") or one["id"] in labelled for one in page.all("input")
    )


@pytest.mark.parametrize("file", ["style.css", "live.js", "new.js", "drop.js"])
def test_styles_and_scripts_are_here_and_ask_nobody_else(stranger: TestClient, file: str) -> None:
    found = stranger.get(f"/ui/static/{file}")
    assert found.status_code == 200
    assert "//" not in found.text.replace("// ", "")
    assert "url(" not in found.text


def test_sweeps_are_listed_with_how_they_stand(browser: TestClient, store: Store) -> None:
    for name in ("one", "two"):
        write_study(store, name)
    page = HtmlPage(browser.get("/ui/").text)
    assert [link for link in page.links if "/sweeps/" in link] == ["/ui/sweeps/two", "/ui/sweeps/one"]
    assert "two completed 0.9000 val_accuracy 4 trials, 1 failed just now" in page.text
    assert "/ui/sweeps/two" not in HtmlPage(browser.get("/ui/", params={"name": "on"}).text).links
    assert "No sweep is like that" in browser.get("/ui/", params={"state": "running"}).text
    wrong = browser.get("/ui/", params={"state": "runing"})
    assert (wrong.status_code, "Did you mean &#39;running&#39;?" in wrong.text) == (422, True)


def test_a_long_list_has_pages(browser: TestClient, store: Store) -> None:
    values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}
    for number in range(51):
        store.create_study(f"sweep-{number}", values)
    first = HtmlPage(browser.get("/ui/").text)
    assert "1\N{EN DASH}50 of 51" in first.text
    (after,) = [one["href"] for one in first.all("a") if one.get("rel") == "next"]
    last = HtmlPage(browser.get(after).text)
    assert [link for link in last.links if "/sweeps/" in link] == ["/ui/sweeps/sweep-0"]
    assert browser.get("/ui/", params={"offset": "many"}).status_code == 422


def test_a_sweep_is_shown_as_its_json_says(browser: TestClient, study: StudyRow) -> None:
    page = HtmlPage(browser.get("/ui/sweeps/digits").text)
    assert "digits completed val_accuracy, the higher the better" in page.text
    assert "best val_accuracy 0.9000 trial 2" in page.text
    assert "2 complete, 1 fail, 1 pruned" in page.text
    assert "trials 4 of 4" in page.text
    trials = [link for link in page.links if "/trials/" in link]
    assert [link.rpartition("/")[2] for link in trials] == ["2", "2", "0", "1", "3", "3"]  # best, board, failure
    assert [one["src"] for one in page.all("img")] == [
        "/ui/sweeps/digits/plots/history.svg",
        "/ui/sweeps/digits/plots/curves.svg",
    ]
    assert page.all("script") == []


def test_only_a_sweep_that_goes_on_looks_again(browser: TestClient, store: Store) -> None:
    values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}
    store.create_study("empty", values)
    page = HtmlPage(browser.get("/ui/sweeps/empty").text)
    assert [one["src"] for one in page.all("script")] == ["/ui/static/live.js"]
    assert "No trial has begun yet." in page.text
    assert page.all("img") == []


def test_lists_and_what_runs_look_again_and_what_has_ended_does_not(
    browser: TestClient, store: Store, study: StudyRow
) -> None:
    def scripts(path: str) -> list[str | None]:
        return [one["src"] for one in HtmlPage(browser.get(path).text).all("script") if "live" in str(one["src"])]

    values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}
    with Lease.acquire(store, store.create_study("live", values)) as lease:
        written.add_trial(store, lease, 0, {"architecture": "mlp"}, seed=0, optuna_number=0)
        store.set_state(lease, "running")
    live = ["/ui/static/live.js"]
    assert (
        scripts("/ui/") == scripts("/ui/compare?sweep=live&sweep=digits") == scripts("/ui/sweeps/live/trials/0") == live
    )
    assert scripts("/ui/compare?sweep=digits") == scripts("/ui/sweeps/digits/trials/2") == []


def test_a_leaderboard_is_sorted_as_asked(browser: TestClient, study: StudyRow) -> None:
    page = HtmlPage(browser.get("/ui/sweeps/digits", params={"sort": "-trial"}).text)
    trials = [link for link in page.links if "/trials/" in link]
    assert [link.rpartition("/")[2] for link in trials] == ["2", "3", "2", "1", "0", "3"]
    assert "Did you mean" in browser.get("/ui/sweeps/digits", params={"sort": "seconnds"}).text


@pytest.mark.parametrize("query", ["", "?theme=dark&width=narrow"])
def test_plots_are_drawn_for_light_and_dark(browser: TestClient, study: StudyRow, query: str) -> None:
    for kind in ("history", "curves"):
        found = browser.get(f"/ui/sweeps/digits/plots/{kind}.svg{query}")
        assert found.headers["content-type"] == "image/svg+xml"
        assert ("#141923" in found.text, "<script" in found.text) == ("dark" in query, False)
    assert browser.get("/ui/sweeps/digits/plots/histori.svg").status_code == 422
    assert browser.get("/ui/sweeps/digits/plots/history.svg?width=huge").status_code == 422


def test_what_others_wrote_is_text_and_never_part_of_the_page(browser: TestClient, store: Store) -> None:
    study = write_study(store, reason=EVIL, traceback=EVIL, architecture=EVIL)
    Study(store, study).note(2, EVIL)
    trial = "/ui/sweeps/digits/trials/3"
    for path in (
        "/ui/sweeps/digits",
        trial,
        "/ui/compare?sweep=digits",
        f"/ui/?name={EVIL}",
        f"/ui/sweeps/{EVIL.replace('/', '')}",
    ):
        found = browser.get(path)
        page = HtmlPage(found.text)
        assert "alert(1)" in page.text or any("alert(1)" in one.get("value", "") for one in page.all("input"))
        assert [one["src"] for one in page.all("script")] == (
            ["/ui/static/live.js"] if path.startswith("/ui/?") else []
        )
        assert [tag for tag, values in page.tags if "onmouseover" in values] == []


def test_what_is_not_there_says_what_is(browser: TestClient, study: StudyRow) -> None:
    missing = browser.get("/ui/sweeps/digts")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Did you mean 'digits'?" in HtmlPage(missing.text).text
    assert browser.get("/ui/sweeps/digits/plots").status_code == 404
    assert browser.get("/ui/sweeps/digits/trials/99999999999999999999").status_code == 404
    said = HtmlPage(browser.get("/ui/sweeps/digits/trials/9").text).text
    assert "The study has no trial 9; it has 4, from 0." in said


def test_a_trial_is_shown_with_its_numbers(browser: TestClient, study: StudyRow) -> None:
    page = HtmlPage(browser.get("/ui/sweeps/digits/trials/2").text)
    assert "value 0.9000 epoch 2 of 2" in page.text
    assert "architecture mlp learning_rate 0.0100" in page.text
    assert "2 epochs as numbers epoch val_accuracy val_loss 1 0.7000 0.3000 2 0.9000 \N{EN DASH}" in page.text
    assert [one["src"] for one in page.all("img")] == ["/ui/sweeps/digits/trials/2/curves.svg"]


def test_a_trial_that_failed_says_why(browser: TestClient, study: StudyRow) -> None:
    page = HtmlPage(browser.get("/ui/sweeps/digits/trials/3").text)
    assert "Why it ended because ZeroDivisionError: division by zero" in page.text
    assert page.all("img") == []
    assert browser.get("/ui/sweeps/digits/trials/3/curves.svg").status_code == 409


def test_a_trial_is_drawn_with_its_objective_first(browser: TestClient, study: StudyRow) -> None:
    wide = browser.get("/ui/sweeps/digits/trials/2/curves.svg").text
    narrow = browser.get("/ui/sweeps/digits/trials/2/curves.svg?width=narrow&theme=dark").text
    assert ("val_accuracy" in wide, "val_loss" in wide) == (True, True)
    assert ("val_accuracy" in narrow, "val_loss" in narrow) == (True, True)
    (wide_w, wide_h), (narrow_w, narrow_h) = (
        tuple(map(float, re.findall(r'(?:width|height)="([\d.]+)pt"', one)[:2])) for one in (wide, narrow)
    )
    assert (wide_w > 2 * wide_h, narrow_w < narrow_h) == (True, True), "below each other where there is no room"


def test_sweeps_are_compared_side_by_side(browser: TestClient, store: Store) -> None:
    write_study(store, "one")
    write_study(store, "two", architecture="cnn")
    store.create_study("empty", {"objective": {"metric": "val_loss", "mode": "min"}, "space": SPACE.to_json()})
    address = "/ui/compare?sweep=one&sweep=two&sweep=empty&sweep=one"
    page = HtmlPage(browser.get(address).text)
    assert "3 sweeps" in page.text
    assert "best 0.9000 0.9000 \N{EN DASH}" in page.text
    assert "architecture mlp cnn \N{EN DASH}" in page.text
    (picture,) = page.all("img")
    assert picture["src"] == "/ui/compare.svg?sweep=one&sweep=two&sweep=empty"
    drawn = browser.get(picture["src"])
    assert (drawn.status_code, ">one</text>" in drawn.text, ">empty</text>" in drawn.text) == (200, True, False)
    assert browser.get("/ui/compare.svg?sweep=empty").status_code == 409


@pytest.mark.parametrize("count", [0, 7])
def test_none_and_too_many_are_not_compared(browser: TestClient, count: int) -> None:
    refused = browser.get("/ui/compare", params={"sweep": [f"sweep-{number}" for number in range(count)]})
    assert refused.status_code == 422
    assert f"From 1 to 6 sweeps are compared, got {count}." in HtmlPage(refused.text).text


def begun(store: Store, state: StudyState) -> StudyRow:
    """A sweep without a driver."""
    values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}
    return store.create_study("digits", values, state=state)


@pytest.mark.parametrize(
    ("scope", "state", "verbs"),
    [
        ("read", "running", []),
        ("run", "running", ["pause", "stop"]),
        ("run", "stopped", ["retry"]),
        ("run", "paused", ["resume", "stop"]),
        ("run", "queued", ["stop"]),
        ("admin", "completed", []),
    ],
)
def test_a_sweep_offers_what_can_be_asked_of_it(
    app: FastAPI, store: Store, scope: Scope, state: StudyState, verbs: list[str]
) -> None:
    begun(store, state)
    with closing(logged_in(app, scope)) as browser:
        forms = HtmlPage(browser.get("/ui/sweeps/digits").text).forms
    found = [form for form in forms if form.action.startswith("/ui/sweeps/digits/")]
    assert [form.action.rpartition("/")[2] for form in found] == verbs
    assert all(form.method == "post" and len(form.fields["csrf"]) == 64 for form in found)


def test_a_sweep_is_asked_by_a_button_and_the_page_says_so(app: FastAPI, store: Store) -> None:
    study = begun(store, "running")
    with closing(logged_in(app, "run")) as browser:
        form = HtmlPage(browser.get("/ui/sweeps/digits").text).form("/ui/sweeps/digits/pause")
        assert browser.post(form.action).status_code == 403
        assert requests.pending(store, study) == []
        asked = browser.post(form.action, data=form.fields)
        assert [one.verb for one in requests.pending(store, study)] == ["pause"]
        assert asked.status_code == 303
        page = HtmlPage(browser.get(asked.headers["location"]).text)
        assert "pause: asked for; nobody who drives the sweep has answered yet." in page.text
        assert browser.post("/ui/sweeps/digits/explode", data=form.fields).status_code == 404


def test_a_button_needs_the_scope_run_and_a_sweep_that_goes_on(app: FastAPI, study: StudyRow) -> None:
    for scope, status in (("read", 403), ("run", 409)):
        with closing(logged_in(app, scope)) as browser:  # type: ignore[arg-type]
            fields = HtmlPage(browser.get("/ui/").text).form("/ui/logout").fields
            assert browser.post("/ui/sweeps/digits/pause", data=fields).status_code == status


def test_the_audit_log_names_who_pressed_a_button(app: FastAPI, client: Client, study: StudyRow) -> None:
    with closing(logged_in(app, "run")) as browser:
        fields = HtmlPage(browser.get("/ui/").text).form("/ui/logout").fields
        browser.post("/ui/sweeps/digits/stop", data=fields)
    found = client("admin").get("/v1/audit").json()["items"]
    assert [(one["token"], one["path"], one["status"]) for one in found] == [
        ("browser-run", "/ui/sweeps/digits/stop", 409),
        ("browser-run", "/ui/login", 303),
    ]
