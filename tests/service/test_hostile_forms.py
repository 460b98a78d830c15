"""Whatever is posted to a page, the answer is a page that says what is wrong, and never an error of the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet.service import tokens
from gradfleet.service.pages.routes import PAGES
from gradfleet.service.pages.session import TOKEN, VISITOR, proof
from gradfleet.study.storage.rows import StudyRow
from tests.service.html_page import HtmlPage

FORMS = sorted(
    (one.path for one in PAGES if "POST" in (getattr(one, "methods", None) or ())),  # type: ignore[attr-defined]
    key=lambda path: path.endswith("/delete"),  # after which there is nothing to post to
)
FIELDS = (
    "name", "note", "starred", "format", "text", "row", "column.a", "task", "data", "token", "next", "retry_failed",
    "search.trials", "search.budget", "objective.metric", "resources.cpu", "options.on_bad_rows", "space.learning_rate",
)  # fmt: skip
VALUES = {
    "empty": "",
    "too long": "x" * 20_000,
    "long for a name": "x" * 200,
    "no name": "../../etc/passwd",
    "a zero byte": "a\0b",
    "no number": "1e999",
    "a large number": "9" * 5_000,
    "nested": "[" * 5_000,
    "YAML of a program": "!!python/object/apply:os.system [true]",
    "half a letter": "\udcff",
    "markup": "<script>alert(1)</script>",
}


TASKS: tuple[dict[str, str], ...] = ({}, {"task": "image-classification"})


class Browser(TestClient):
    """One that is logged in whatever answers say of its cookies.

    Attributes:
        ours: what every form of the pages that it was shown carries.
    """

    def __init__(self, app: FastAPI) -> None:
        text = tokens.create(app.state.service.store, "visitor", scope="admin")
        self.ours = {"csrf": proof(text)}
        cookies = {"Cookie": f"{TOKEN}={text}; {VISITOR}={text}"}
        super().__init__(
            app,
            base_url="http://127.0.0.1:8000",
            headers=cookies,
            follow_redirects=False,
            raise_server_exceptions=False,
        )


@pytest.fixture
def browser(app: FastAPI, study: StudyRow) -> Iterator[Browser]:
    with_study = Browser(app)
    yield with_study
    with_study.close()


def address(path: str, **names: str) -> str:
    usual = {"name": "digits", "number": "2", "model": "flowers", "file": "flowers.zip", "verb": "cancel"}
    return f"/ui{path.format(**(usual | names))}"


def as_sent(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@pytest.mark.slow
def test_no_value_of_a_field_is_an_error_of_the_service(browser: Browser) -> None:
    for path in FORMS:
        for kind, value in VALUES.items():
            for task in TASKS if path.startswith("/new") else TASKS[:1]:
                fields = {name: as_sent(value) for name in FIELDS} | browser.ours | task
                answer = browser.post(address(path), data=fields)  # type: ignore[arg-type]
                assert answer.status_code < 500, (path, kind, answer.text)


def test_no_field_and_no_form_is_an_error_of_the_service(browser: Browser) -> None:
    for path in FORMS:
        where = address(path)
        assert browser.post(where).status_code < 500
        assert browser.post(where, json={"csrf": 1}).status_code < 500
        kind = {"Content-Type": "multipart/form-data"}
        assert browser.post(where, content=b"\0" * 100, headers=kind).status_code < 500
        assert browser.post(where, data={f"x{n}": "y" for n in range(300)}).status_code == 400
        files = {"file": ("../../x.zip", b"no archive", "image/png"), "note": ("note.txt", b"a file for a text")}
        assert browser.post(where, data=browser.ours, files=files).status_code < 500
        one = {"note": ("note.txt", b"a file for a text"), "name": (None, b"\xff\xfe")}
        assert browser.post(where, data=browser.ours, files=one).status_code < 500


@pytest.mark.slow
def test_no_address_is_an_error_of_the_service(browser: Browser) -> None:
    for path in FORMS:
        for kind in ("empty", "too long", "a zero byte", "a large number", "half a letter"):
            value = VALUES[kind]
            part = quote(as_sent(value), safe="")
            names = dict.fromkeys(("number", "model", "file", "verb"), part)
            for where in (address(path, **names), address(path, name=part)):
                assert browser.post(where, data=browser.ours).status_code < 500, (path, kind)
                assert browser.get(where).status_code < 500, (path, kind)


def test_a_note_that_is_too_long_says_so(browser: Browser) -> None:
    answer = browser.post("/ui/sweeps/digits/trials/2/marks", data={**browser.ours, "note": "x" * 10_001})
    assert answer.status_code == 422
    assert "form note: string should have at most 10000 characters" in HtmlPage(answer.text).text


@pytest.mark.parametrize("name", ["x" * 200, "../up", ""])
def test_a_model_is_given_a_name_that_can_be_one(browser: Browser, name: str) -> None:
    answer = browser.post("/ui/sweeps/digits/trials/2/promote", data={**browser.ours, "name": name})
    assert answer.status_code == 422
    assert "form name: " in HtmlPage(answer.text).text


def test_a_file_of_a_strange_name_is_not_kept(browser: Browser, app: FastAPI) -> None:
    data: Path = app.state.service.settings.data
    for name in ("../up.zip", "x" * 300 + ".csv", "a\0.csv", ".csv", "<b>.csv", "nothing"):
        answer = browser.post("/ui/data", data=browser.ours, files={"file": (name, b"a,b\n1,2\n")})
        assert answer.status_code in (303, 422), name
    assert [one.name for one in data.iterdir() if one.name != "up.zip"] == []
