"""Bodies that end in the middle, over a real socket: nothing is half-created, and it is no fault of the service."""

from __future__ import annotations

import logging
import socket
import time
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from gradfleet.service import submissions, tokens
from gradfleet.service.pages import session
from gradfleet.service.service import Service
from gradfleet.study.storage.tables import audit

SPEC = b'{"version": 1, "name": "flowers", "task": "image-classification", "data": "flowers"'
FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n@PROOF\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="rows.csv"\r\n\r\nlabel,text\n'
)


def cut(address: str, request: str, headers: dict[str, str], sent: bytes) -> None:
    """Send a part of a body that was said to be longer, and close the connection."""
    place = urlsplit(address.removeprefix("service+"))
    lines = [f"{request} HTTP/1.1", f"Host: {place.netloc}", f"Content-Length: {len(sent) + 1000}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((place.hostname or "", place.port or 0)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + sent)
        time.sleep(0.3)  # so that it is received, and waited for more


def noted(service: Service) -> list[tuple[str, int]]:
    """What the audit log has of it."""
    deadline = time.monotonic() + 20
    while not (rows := service.store.database.read(lambda connection: connection.execute(audit.select()).all())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [(row.path, row.status) for row in rows]


@pytest.mark.parametrize(
    ("request_line", "kind", "sent"),
    [
        ("PUT /v1/datasets/rows.csv", "application/octet-stream", b"label,text\n" * 100),
        ("PUT /v1/datasets/images.zip", "application/octet-stream", b"PK\x03\x04"),
        ("POST /v1/sweeps", "application/json", SPEC),
        ("POST /v1/models", "application/json", b'{"name": "tulips", '),
        ("POST /v1/sweeps/digits/predictions", "image/png", b"\x89PNG"),
        ("POST /ui/data", "multipart/form-data; boundary=edge", FORM),
    ],
)
def test_a_body_that_is_cut_leaves_nothing(
    app: FastAPI,
    service: Service,
    address: str,
    caplog: pytest.LogCaptureFixture,
    request_line: str,
    kind: str,
    sent: bytes,
) -> None:
    (service.settings.data / "flowers").mkdir()
    text = tokens.create(service.store, "alice", scope="admin")
    headers = {"Authorization": f"Bearer {text}", "Cookie": f"{session.TOKEN}={text}", "Content-Type": kind}
    with caplog.at_level(logging.ERROR):
        cut(address, request_line, headers, sent.replace(b"@PROOF", session.proof(text).encode()))
        assert noted(service) == [(request_line.split()[1], 400)]
    assert [one.name for one in service.settings.data.iterdir()] == ["flowers"]
    assert (submissions.listed(service.store), service.store.studies()) == ([], [])
    assert caplog.records == []
