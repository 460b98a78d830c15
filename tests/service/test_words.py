"""What is refused says what to change, in words of its own."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gradfleet.study.storage.rows import StudyRow

NAME = "a name has up to 100 letters, digits, '.', '_' and '-', the first one a letter or digit"


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/v1/models", {"name": "../x", "sweep": "digits"}, f"body name: {NAME}, got '../x'."),
        ("POST", "/v1/tokens", {"name": ""}, f"body name: {NAME}, got ''."),
        ("DELETE", "/v1/tokens/a%20b", None, f"path token: {NAME}, got 'a b'."),
        ("PUT", "/v1/datasets/a%20b.csv", None, "A data set is a file with a plain name that says what it is"),
        (
            "PATCH",
            "/v1/sweeps/digits/trials/0",
            {"starred": 0},
            "body starred: input should be a valid boolean, got '0'.",
        ),
        (
            "POST",
            "/v1/tokens",
            {"name": "a", "seconds": "60"},
            "body seconds: input should be a valid number, got '60'.",
        ),
        ("POST", "/v1/models", {"name": "a", "sweep": "digits", "trial": 1.5}, "body trial: input should be a valid"),
        (
            "POST",
            "/v1/sweeps/digits/predictions",
            {"items": ["a", 1]},
            "body items.1: an item is a text, an image as base64, or a row as an object from column to value or a list "
            "of numbers, got '1'.",
        ),
        ("GET", "/v1/sweeps?sort=size", None, "No order of sweeps is called 'size'."),
    ],
)
@pytest.mark.usefixtures("study")
def test_what_cannot_be_is_refused(admin: TestClient, method: str, path: str, body: Any, said: str) -> None:
    refused = admin.request(method, path, json=body)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith(said), refused.json()["detail"]


def test_each_wrong_item_is_one_problem_and_ten_are_told(admin: TestClient, study: StudyRow) -> None:
    path = f"/v1/sweeps/{study.name}/predictions"
    assert len(admin.post(path, json={"items": [1, 2]}).json()["problems"]) == 2
    assert len(admin.post(path, json={"items": [1] * 200}).json()["problems"]) == 10


@pytest.mark.parametrize("path", ["/v1/models", "/v1/tokens", "/v1/sweeps/digits/predictions"])
def test_what_nests_too_deep_is_to_be_sent_flatter(admin: TestClient, path: str) -> None:
    deep = b'{"items": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    refused = admin.post(path, content=deep, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422
    assert refused.json()["detail"] == (
        "the body: it nests too deep to be read; send fewer lists and objects inside each other."
    )


@pytest.mark.usefixtures("study")
def test_a_whole_number_may_be_written_with_a_point(admin: TestClient) -> None:
    asked = {"name": "a", "sweep": "digits", "trial": 99.0}
    assert admin.post("/v1/models", json=asked).json()["detail"].startswith("The study has no trial 99;")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/sweeps", "GET, POST"),
        ("PATCH", "/v1/tokens", "GET, POST"),
        ("POST", "/v1/sweeps/digits", "DELETE, GET"),
        ("DELETE", "/v1/sweeps/digits/trials/0/replay", "GET, POST"),
        ("POST", "/v1/datasets/flowers.zip", "DELETE, PUT"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("DELETE", "/ui/login", "GET, HEAD, POST"),
    ],
)
def test_a_method_that_is_not_there_is_told_all_that_are(
    admin: TestClient, method: str, path: str, allowed: str
) -> None:
    refused = admin.request(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("kind", ["contour", "slice"])
@pytest.mark.usefixtures("study")
def test_a_dimension_that_no_trial_has_had_cannot_be_drawn(admin: TestClient, kind: str) -> None:
    asked = {"dimension": ["learning_rate", "architecture.cnn.channels"]}
    refused = admin.get(f"/v1/sweeps/digits/plots/{kind}", params=asked)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "No trial with a result has architecture.cnn.channels yet, so it cannot be drawn.",
    )
