"""Models and predictions over HTTP are those without a service; data sets come whole or not at all."""

from __future__ import annotations

import base64
import errno
import io
import os
import resource
import stat
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import insert

from gradfleet import Bundle
from gradfleet.errors import ConflictError, NoSpaceError, StoreError
from gradfleet.service import datasets, tokens
from gradfleet.service.app import create_app
from gradfleet.service.service import Service
from gradfleet.service.settings import Limits, ServiceSettings
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.tables import models
from gradfleet.study.study import Study


@pytest.fixture(scope="module")
def served(done: Path) -> Iterator[FastAPI]:
    app = create_app(ServiceSettings(store=str(done / "gradfleet.db"), data=done / "data", limits=Limits(items=30)))
    yield app
    app.state.service.close()


@pytest.fixture(scope="module")
def user(served: FastAPI) -> Iterator[TestClient]:
    text = tokens.create(served.state.service.store, "user", scope="admin")
    with TestClient(served, base_url="http://localhost", headers={"Authorization": f"Bearer {text}"}) as client:
        yield client


@pytest.fixture(scope="module")
def images(done: Path) -> list[Path]:
    return sorted((done / "images").rglob("*.png"))


def as_text(image: Path) -> str:
    return base64.b64encode(image.read_bytes()).decode()


def blank(size: int) -> str:
    """A white picture in the base64 of a PNG: a few thousand bytes, however large it is."""
    packed = io.BytesIO()
    Image.new("1", (size, size)).save(packed, "PNG")
    return base64.b64encode(packed.getvalue()).decode()


@pytest.mark.row("ES6")
def test_one_and_many_are_predicted_as_offline(user: TestClient, done: Path, images: list[Path]) -> None:
    model = Study.attach("tiny", store=done / "gradfleet.db").best.model()
    labels, table = model.predict(images), model.predict_proba(images)
    found = user.post("/v1/sweeps/tiny/predictions?proba=true", json={"items": [*map(as_text, images)]}).json()
    assert [one["prediction"] for one in found["predictions"]] == labels
    for one, row in zip(found["predictions"], table.tolist(), strict=True):
        assert [*one["probabilities"].values()] == pytest.approx(row, abs=1e-6)
    one = user.post(
        "/v1/sweeps/tiny/predictions", content=images[0].read_bytes(), headers={"Content-Type": "image/png"}
    ).json()
    assert one == {
        "model": found["model"],
        "predictions": [{"prediction": labels[0], "probabilities": None, "score": None}],
    }


@pytest.mark.slow
def test_a_trial_is_promoted_predicts_by_its_name_and_is_downloaded(
    user: TestClient, images: list[Path], tmp_path: Path
) -> None:
    made = user.post("/v1/models", json={"name": "flowers", "sweep": "tiny", "trial": 0})
    assert made.status_code == 201, made.text
    assert (made.json()["trial"], made.json()["created_by"]) == (0, "user")
    assert made.json()["score"]["measured"] == pytest.approx(made.json()["score"]["recorded"])
    assert [one["name"] for one in user.get("/v1/models").json()] == ["flowers"]
    packed = user.get("/v1/models/flowers/download")
    assert packed.headers["content-disposition"] == 'attachment; filename="flowers.zip"'
    zipfile.ZipFile(io.BytesIO(packed.content)).extractall(tmp_path / "bundle")
    labels = Bundle.load(tmp_path / "bundle").predict(images)
    found = user.post("/v1/models/flowers/predictions", json={"items": [*map(as_text, images)]}).json()
    assert [one["prediction"] for one in found["predictions"]] == labels
    exported = user.post("/v1/models/flowers/export", params={"format": "torch"})
    assert exported.headers["content-disposition"] == 'attachment; filename="flowers-torch.zip"'
    assert any(one.endswith(".pt2") for one in zipfile.ZipFile(io.BytesIO(exported.content)).namelist())
    assert user.delete("/v1/models/flowers").status_code == 204
    assert user.get("/v1/models/flowers").status_code == 404


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "body items: list should have at least 1 item"),
        (["/etc/passwd"], "Item 0 is no image as base64"),
        ([base64.b64encode(b"GIF89a nonsense").decode()], "cannot be"),
        ([{"a": 1}], "item 0 is no text"),
        ([""] * 31, "One request predicts at most 30 items, got 31."),
        ([None], "body items.0: an item is a text, an image as base64, or a row"),
        ([blank(6000)] * 3, "One request predicts at most 100,000,000 pixels, got 108,000,000; send fewer images."),
    ],
)
def test_items_that_cannot_be_are_refused(user: TestClient, items: list[object], said: str) -> None:
    refused = user.post("/v1/sweeps/tiny/predictions", json={"items": items})
    assert refused.status_code == 422
    assert said in refused.json()["detail"], refused.text


def test_other_bodies_are_refused(user: TestClient) -> None:
    kind = {"Content-Type": "text/plain"}
    assert user.post("/v1/sweeps/tiny/predictions", content=b"x", headers=kind).status_code == 415
    kind = {"Content-Type": "application/json"}
    assert user.post("/v1/sweeps/tiny/predictions", content=b"{", headers=kind).status_code == 422
    assert user.post("/v1/sweeps/tiny/predictions?trial=99", json={"items": ["x"]}).status_code == 404
    assert user.post("/v1/models/nothing/predictions", json={"items": ["x"]}).status_code == 404
    assert user.post("/v1/models", json={"name": "../x", "sweep": "tiny"}).status_code == 422
    assert user.post("/v1/sweeps/tiny/trials/0/export?format=pickle").status_code == 422


def test_plots_come_as_json_and_png_and_the_report_as_json_and_html(user: TestClient) -> None:
    figure = user.get("/v1/sweeps/tiny/plots/history").json()
    assert sorted(figure) == ["data", "layout"]
    assert user.get("/v1/sweeps/tiny/plots/history/png?theme=dark").content[:8] == b"\x89PNG\r\n\x1a\n"
    assert user.get("/v1/sweeps/tiny/plots/nothing").status_code == 422
    assert user.get("/v1/sweeps/tiny/plots/history?metric=x").json()["detail"] == "The plot 'history' takes no metrics."
    assert "tiny" in str(user.get("/v1/sweeps/tiny/report").json())
    page = user.get("/v1/sweeps/tiny/report/html")
    assert page.headers["content-security-policy"].endswith("sandbox")
    assert page.text.startswith("<!doctype html>")


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_a_data_set_is_uploaded_listed_and_deleted(admin: TestClient, settings: ServiceSettings) -> None:
    made = admin.put("/v1/datasets/flowers.zip", content=zipped(a=b"1", b=b"2"))
    assert (made.status_code, made.headers["location"]) == (201, "/v1/datasets/flowers.zip")
    assert [one["name"] for one in admin.get("/v1/datasets").json()] == ["flowers.zip"]
    again = admin.put("/v1/datasets/flowers.zip", content=zipped(a=b"3"))
    assert (again.status_code, again.json()["title"]) == (409, "Conflict")
    spec = {"version": 1, "name": "x", "task": "image-classification", "data": "flowers.zip"}
    assert admin.post("/v1/sweeps", json=spec).status_code == 201
    assert admin.delete("/v1/datasets/flowers.zip").status_code == 204
    assert admin.delete("/v1/datasets/flowers.zip").status_code == 404
    assert [*settings.data.iterdir()] == []


def bomb() -> bytes:
    return zipped(**{f"zeros{number}": bytes(2**26) for number in range(5)})


def with_link() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return packed.getvalue()


def tar_with_link() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("flowers.exe", b"x", "A data set is a file with a plain name"),
        (".hidden.zip", b"x", "A data set is a file with a plain name"),
        ("flowers.csv", b"", "flowers.csv is empty"),
        ("flowers.zip", b"no archive", "flowers.zip cannot be unpacked"),
        ("flowers.zip", zipped(**{"../up": b"x"}), "lies outside the archive's own folder"),
        ("flowers.zip", bomb, "it may be made to fill it"),
        ("flowers.zip", with_link, "is a link"),
        ("flowers.tar.gz", tar_with_link, "is a link or a device"),
        ("flowers.csv", zipped(a=b"1"), "is an archive, so its name ends with .zip"),
    ],
)
def test_uploads_that_cannot_be_leave_nothing(
    admin: TestClient, settings: ServiceSettings, name: str, content: object, said: str
) -> None:
    body = content() if callable(content) else content
    refused = admin.put(f"/v1/datasets/{name}", content=body)
    assert refused.status_code == 422
    assert said in refused.json()["detail"]
    assert ".coming" not in refused.json()["detail"]
    assert [*settings.data.iterdir()] == []


def test_a_disk_that_is_full_says_so_and_keeps_nothing(service: Service) -> None:
    """A process may write no file that is larger; it is the same to whoever writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def receive() -> None:
        with datasets.receiving(service, "x.csv") as file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            file.write(b"x" * 100_000)

    try:
        with pytest.raises(NoSpaceError, match=r"There is no room for x\.csv"):
            receive()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [*service.settings.data.iterdir()] == []


def test_where_files_have_no_second_name_an_upload_still_replaces_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a share of Windows, which says that it is not permitted."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    with datasets.receiving(service, "x.csv") as file:
        file.write(b"text,label\n")
    with pytest.raises(ConflictError), datasets.receiving(service, "x.csv") as file:
        file.write(b"other")
    assert (service.settings.data / "x.csv").read_bytes() == b"text,label\n"


def test_a_model_whose_name_cannot_be_written_leaves_no_files(
    served: FastAPI, user: TestClient, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = served.state.service.store
    kept = [*done.glob("gradfleet-artifacts/models/*")]

    def away(_: object) -> None:
        raise StoreError("The database is away.")

    monkeypatch.setattr(store.database, "write", away)
    refused = user.post("/v1/models", json={"name": "lost", "sweep": "tiny"})
    assert refused.status_code == 503
    assert [*done.glob("gradfleet-artifacts/models/*")] == kept


def test_a_model_whose_sweep_is_gone_has_its_bundle_alone(service: Service, admin: TestClient) -> None:
    values = {"name": "old", "study": "gone", "trial": 0, "place": "nowhere", "created": 0.0, "created_by": "alice"}
    values["about"] = {"config": {}}
    service.store.database.write(lambda connection: connection.execute(insert(models), values))
    refused = admin.post("/v1/models/old/export")
    assert refused.status_code == 404
    assert "so that there is its bundle alone: GET /v1/models/old/download." in refused.json()["detail"]


def test_what_killed_services_left_of_uploads_is_deleted_after_a_day(settings: ServiceSettings) -> None:
    for name, age in {".coming-old": 90_000, ".coming-now": 0}.items():
        file = settings.data / name / "flowers.zip"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"half of i")
        os.utime(file.parent, (time.time() - age,) * 2)
    create_app(settings).state.service.close()
    assert [one.name for one in settings.data.iterdir()] == [".coming-now"]


def test_a_few_models_are_exported_at_a_time(admin: TestClient, service: Service, study: StudyRow) -> None:
    for _ in range(service.settings.limits.exports):
        service.exports.acquire()
    asked = [
        admin.post("/v1/sweeps/digits/trials/2/export"),
        admin.post("/v1/models", json={"name": "best", "sweep": "digits"}),
    ]
    for one in asked:
        assert (one.status_code, one.headers["retry-after"]) == (503, "10")
        assert one.json()["detail"] == "As many models are exported at the moment as may; ask again in a while."
    service.exports.release()
    assert [admin.post("/v1/sweeps/digits/trials/2/export").status_code for _ in range(2)] == [404, 404]


def test_uploads_are_limited(tmp_path: Path) -> None:
    limits = replace(Limits(), upload=1000, uploads=1500)
    app = create_app(ServiceSettings(store=str(tmp_path / "x.db"), data=tmp_path / "data", limits=limits))
    text = tokens.create(app.state.service.store, "user", scope="run")
    with TestClient(app, base_url="http://localhost", headers={"Authorization": f"Bearer {text}"}) as client:
        assert client.put("/v1/datasets/a.csv", content=b"x" * 1001).status_code == 413
        assert client.put("/v1/datasets/a.csv", content=iter([b"x" * 600, b"x" * 600])).status_code == 413
        assert client.get("/v1/datasets").json() == []
        assert client.put("/v1/datasets/a.csv", content=b"x" * 900).status_code == 201
        refused = client.put("/v1/datasets/b.csv", content=b"x" * 900)
        assert refused.status_code == 422
        assert "Uploads may have 0 MB together; delete what is not needed first." in refused.json()["detail"]
        assert [one["name"] for one in client.get("/v1/datasets").json()] == ["a.csv"]
