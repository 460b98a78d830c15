"""The form of a new sweep, the data that it is about, and what is asked twice before it is done."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet.service import submissions
from gradfleet.service.settings import ServiceSettings
from gradfleet.service.tokens import Scope
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.sweeps.document import Document
from gradfleet.sweeps.spec import SearchSpec
from tests.service.conftest import logged_in
from tests.service.html_page import HtmlPage
from tests.service.test_pages import begun

FORM = "/ui/new?task=image-classification"


@pytest.fixture
def runner_browser(app: FastAPI, settings: ServiceSettings) -> Iterator[TestClient]:
    (settings.data / "flowers").mkdir(parents=True)
    with closing(logged_in(app, "run")) as one:
        yield one


def fields(browser: TestClient, **said: str) -> dict[str, str]:
    form = HtmlPage(browser.get(FORM).text).form("/ui/new")
    return {**form.fields, "data": "flowers", **said}


def test_every_key_of_a_search_and_every_dimension_has_a_field(runner_browser: TestClient) -> None:
    page = HtmlPage(runner_browser.get(FORM).text)
    names = {one["name"] for tag in ("input", "select") for one in page.all(tag) if "name" in one}
    assert {f"search.{name}" for name in SearchSpec.model_fields} <= names
    assert {"name", "data", "objective.metric", "resources.gpu", "options.on_bad_rows", "space.batch_size"} <= names
    labelled = {one["for"] for one in page.all("label")}
    assert names - {"csrf", "task"} <= labelled | {"file"}


def test_a_form_starts_the_sweep_that_it_says(runner_browser: TestClient, store: Store, tmp_path: Path) -> None:
    said = {"name": "tulips", "search.budget": "10m", "search.trials": "7", "space.batch_size": "[32, 64]"}
    asked = runner_browser.post("/ui/new", data=fields(runner_browser, **said))
    assert (asked.status_code, asked.headers["location"]) == (303, "/ui/sweeps/tulips")
    (found,) = submissions.listed(store)
    assert found.spec == {
        "version": 1,
        "name": "tulips",
        "task": "image-classification",
        "data": str(tmp_path / "data" / "flowers"),
        "search": {"budget": "10m", "trials": 7},
        "space": {"batch_size": [32, 64]},
    }
    assert "queued" in HtmlPage(runner_browser.get("/ui/sweeps/tulips").text).text


def test_a_form_shows_the_file_the_program_and_the_command(runner_browser: TestClient) -> None:
    said = {"name": "tulips", "search.trials": "7", "search.seed": "3", "resources.cpu": "2"}
    page = runner_browser.post("/ui/new/look", data=fields(runner_browser, **said))
    yaml, python, command = [part.partition("</pre>")[0] for part in page.text.split("<pre")[1:]]
    document = Document.parse(yaml.partition(">")[2])
    assert document.values["search"] == {"trials": 7, "seed": 3}
    assert "autotask(&#39;image-classification&#39;, &#39;flowers&#39;, seed=3)" in python
    assert "service+http://127.0.0.1:8000" in python
    assert "gradfleet fit image-classification flowers" in command
    assert "--cpu 2" in command


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("search.trials", "many", "search.trials needs a whole number"),
        ("search.budget", "10 parsecs", "A budget is a duration"),
        ("space.batch_size", "7", "needs one of 32, 64, 128, got 7"),
        ("space.schedule", "{", "This cannot be read"),
        ("space.schedule", "[" + "x, " * 1000 + "]", "This cannot be read"),
        ("name", "../x", "name"),
        ("data", "", "Choose a data set, or upload one."),
        ("objective.metric", "val_f1", "Whether more or less of it is better."),
    ],
)
def test_a_mistake_stands_beside_its_field_and_nothing_starts(
    runner_browser: TestClient, store: Store, key: str, value: str, said: str
) -> None:
    refused = runner_browser.post("/ui/new", data=fields(runner_browser, **{key: value}))
    assert refused.status_code == 422
    beside = "objective.mode" if key == "objective.metric" else key
    note = refused.text.partition(f'id="problem-{beside}"')[2].partition("</span>")[0]
    assert said in note
    assert submissions.listed(store) == []
    assert value in ("", *(one.get("value", "") for one in HtmlPage(refused.text).all("input"))) or key == "data"


def test_a_name_that_is_taken_is_said_beside_it(runner_browser: TestClient, study: StudyRow) -> None:
    refused = runner_browser.post("/ui/new", data=fields(runner_browser, name="digits"))
    assert refused.status_code == 409
    assert "is in the store already" in refused.text.partition('id="problem-name"')[2].partition("</span>")[0]


def test_who_may_only_read_starts_and_uploads_nothing(app: FastAPI, store: Store) -> None:
    with closing(logged_in(app, "read")) as browser:
        own = HtmlPage(browser.get("/ui/").text).form("/ui/logout").fields
        assert browser.get("/ui/new").status_code == 403
        assert browser.post("/ui/new", data={**own, "task": "image-classification"}).status_code == 403
        assert browser.post("/ui/data", data=own, files={"file": ("a.csv", b"a,b\n1,2\n")}).status_code == 403
        assert "/ui/new" not in HtmlPage(browser.get("/ui/").text).links


def test_data_is_uploaded_chosen_and_deleted_when_asked_twice(app: FastAPI, settings: ServiceSettings) -> None:
    with closing(logged_in(app, "admin")) as browser:
        form = HtmlPage(browser.get(FORM).text).form("/ui/data")
        assert browser.post("/ui/data", files={"file": ("a.csv", b"x")}).status_code == 403  # without the form's proof
        sent = browser.post("/ui/data", data=form.fields, files={"file": ("reviews.csv", io.BytesIO(b"text,label\n"))})
        assert sent.headers["location"] == "/ui/new?task=image-classification&data=reviews.csv"
        assert "<option selected>reviews.csv" in browser.get(sent.headers["location"]).text
        refused = browser.post("/ui/data", data=form.fields, files={"file": ("notes.exe", b"x")})
        assert "A data set is a file with a plain name" in HtmlPage(refused.text).text
        asking = HtmlPage(browser.get("/ui/data/reviews.csv/delete").text)
        assert (settings.data / "reviews.csv").is_file()
        assert browser.post("/ui/data/reviews.csv/delete", data=asking.forms[-1].fields).status_code == 303
        assert list(settings.data.iterdir()) == []


@pytest.mark.parametrize(("scope", "verb", "status"), [("run", "cancel", 200), ("run", "delete", 403)])
def test_what_cannot_be_undone_has_a_page_of_its_own(
    app: FastAPI, store: Store, scope: Scope, verb: str, status: int
) -> None:
    begun(store, "running")
    with closing(logged_in(app, scope)) as browser:
        found = browser.get(f"/ui/sweeps/digits/{verb}")
        assert found.status_code == status
        if status == 200:
            assert HtmlPage(found.text).form(f"/ui/sweeps/digits/{verb}").method == "post"
            assert "/ui/sweeps/digits" in HtmlPage(found.text).links


def test_a_sweep_is_deleted_after_the_question(app: FastAPI, store: Store, study: StudyRow) -> None:
    with closing(logged_in(app, "admin")) as browser:
        asking = HtmlPage(browser.get("/ui/sweeps/digits/delete").text)
        assert "Delete digits with its 4 trials" in asking.text
        assert [one.name for one in store.studies()] == ["digits"]
        assert browser.post("/ui/sweeps/digits/delete", data=asking.forms[-1].fields).status_code == 303
    assert store.studies() == []


@pytest.mark.row_part("TP4")
def test_a_trial_is_starred_and_written_about(app: FastAPI, store: Store, study: StudyRow) -> None:
    address = "/ui/sweeps/digits/trials/2"
    with closing(logged_in(app, "run")) as browser:
        own = HtmlPage(browser.get(address).text).form(f"{address}/marks").fields
        browser.post(f"{address}/marks", data={"csrf": own["csrf"], "starred": "true"})
        browser.post(f"{address}/marks", data={"csrf": own["csrf"], "note": "looks good"})
        page = HtmlPage(browser.get(address).text)
    found = store.trial(study.id, 2)
    assert (found.starred, found.note) == (True, "looks good")
    assert "Starred" in page.text


def test_a_form_that_is_too_large_is_refused_as_a_page(runner_browser: TestClient) -> None:
    own = fields(runner_browser)
    refused = runner_browser.post("/ui/new", data={**own, "name": "x" * (5 * 2**20)})
    assert refused.status_code == 413
