"""Who has no token is refused before anything of the body is read, over a real socket."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from gradfleet.service import tokens
from gradfleet.study.storage.store import Store

WITH_A_BODY = (
    "POST /v1/sweeps",
    "POST /v1/models",
    "POST /v1/tokens",
    "PATCH /v1/sweeps/digits/trials/0",
    "POST /v1/sweeps/digits/predictions",
    "POST /v1/models/tulips/predictions",
    "PUT /v1/datasets/rows.csv",
)


def status_before_the_body(address: str, request: str, token: str) -> int:
    """What is answered while the body that was announced has not begun."""
    place = urlsplit(address.removeprefix("service+"))
    lines = [f"{request} HTTP/1.1", f"Host: {place.netloc}", "Content-Type: application/json", "Content-Length: 1000"]
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, f"Authorization: Bearer {token}", "", ""]).encode())
        return int(connection.recv(12).split()[1])


@pytest.mark.parametrize("request_line", WITH_A_BODY)
def test_the_body_of_who_may_not_is_not_read(address: str, store: Store, request_line: str) -> None:
    assert status_before_the_body(address, request_line, "gf_nonsense") == 401
    if not request_line.endswith("predictions"):
        assert status_before_the_body(address, request_line, tokens.create(store, "reader", scope="read")) == 403
