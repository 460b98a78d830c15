"""A model on its page: tried, promoted, taken along, and what it says of the validation rows."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gradfleet.study.study import Study
from tests.service.html_page import HtmlPage

TRIAL = "/ui/sweeps/tiny/trials/0"


def proof(visitor: TestClient) -> dict[str, str]:
    return {"csrf": HtmlPage(visitor.get("/ui/").text).form("/ui/logout").fields["csrf"]}


@pytest.mark.row("ES6")
def test_an_image_is_predicted_on_the_page_as_offline(visitor: TestClient, done: Path) -> None:
    image = sorted((done / "images").rglob("*.png"))[0]
    model = Study.attach("tiny", store=done / "gradfleet.db").trial(0).model()
    (label,), table = model.predict([image]), model.predict_proba([image])
    found = visitor.post(f"{TRIAL}/predict", data=proof(visitor), files={"file": (image.name, image.read_bytes())})
    assert found.status_code == 200
    answer = HtmlPage(found.text.partition('data-fresh="answer"')[2].partition("</section>")[0]).text
    assert label in answer
    assert f"{100 * table.max():.1f}%" in answer


def test_what_is_no_image_is_refused_beside_the_form(visitor: TestClient) -> None:
    for files, said in (({"file": ("x.png", b"nonsense")}, "cannot be"), ({}, "Choose an image first.")):
        found = visitor.post(f"{TRIAL}/predict", data=proof(visitor), files=files)
        assert found.status_code == 422
        assert said in HtmlPage(found.text).text


@pytest.mark.row_part("UX5")
def test_validation_rows_are_shown_as_a_table_of_each_with_each_and_pictures(visitor: TestClient, done: Path) -> None:
    page = HtmlPage(visitor.get(f"{TRIAL}/validation").text)
    study = Study.attach("tiny", store=done / "gradfleet.db")
    rows = study.spec["facts"]["num_rows"]["validation"]
    right = round(study.trial(0).metrics["val_accuracy"] * rows)
    assert f"{right} of {rows} right" in page.text
    assert len([one for one in page.all("img") if one["src"].startswith("data:image/png")]) == min(rows - right, 12)


@pytest.mark.slow
def test_a_trial_is_promoted_tried_taken_along_and_forgotten(visitor: TestClient, done: Path) -> None:
    made = visitor.post(f"{TRIAL}/promote", data={**proof(visitor), "name": "tulips"})
    assert (made.status_code, made.headers["location"]) == (303, "/ui/models/tulips")
    assert "/ui/models/tulips" in HtmlPage(visitor.get("/ui/models").text).links
    image = sorted((done / "images").rglob("*.png"))[0]
    tried = visitor.post("/ui/models/tulips/predict", data=proof(visitor), files={"file": ("a", image.read_bytes())})
    assert tried.status_code == 200
    packed = visitor.get("/ui/models/tulips/download")
    assert zipfile.ZipFile(io.BytesIO(packed.content)).namelist()
    asking = HtmlPage(visitor.get("/ui/models/tulips/delete").text)
    assert visitor.post("/ui/models/tulips/delete", data=asking.forms[-1].fields).status_code == 303
    assert "No trial has been given a name yet." in HtmlPage(visitor.get("/ui/models").text).text
