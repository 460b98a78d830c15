"""What somebody else names by URL is fetched from where it may be, and nothing else is asked for anything."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest

from gradfleet import AutoDataset
from gradfleet.data.download import Download, is_below, is_public
from gradfleet.data.places import located
from gradfleet.data.scratch import Scratch
from gradfleet.errors import DataError

TABLE = "x,y\n" + "".join(f"{n},{n % 2}\n" for n in range(20))


@dataclass
class Server:
    """A real one, with what it was asked for; `answers` are texts, or where they are to be found instead."""

    port: int
    answers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@contextmanager
def serving(answers: Mapping[str, str]) -> Iterator[Server]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            said = found.answers.get(self.path)
            moved = said is not None and said.startswith(("http", "/"))
            body = b"" if said is None or moved else said.encode()
            self.send_response(404 if said is None else 302 if moved else 200)
            self.send_header("Content-Length", str(len(body)))
            if said is not None and moved:
                self.send_header("Location", said)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    found = Server(http.server_port, dict(answers))
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"/data/rows.csv": TABLE, "/data/moved.csv": "/data/rows.csv", "/secret.csv": TABLE}) as found:
        yield found


def fetched(url: str, below: str, *, public: bool) -> str:
    scratch = Scratch()
    path: Path = located(Download(url, (below,), public), scratch)
    return path.read_text()


def test_what_lies_below_is_fetched_and_redirects_within_are_followed(server: Server) -> None:
    for name in ("rows.csv", "moved.csv"):
        assert fetched(server.url(f"/data/{name}"), server.url("/data/"), public=False) == TABLE


def test_what_comes_is_counted_of_a_file_and_of_all_of_a_folder(server: Server) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/fetched/{n}.txt": 1000 * b"0" for n in range(4)})
    for url, size in ((server.url("/data/rows.csv"), len(TABLE)), ("memory://fetched", 4000)):
        below = (server.url("/"), "memory://")
        assert located(Download(url, below, public=False, most=size + 10), Scratch()).exists()
        with pytest.raises(DataError, match=rf"{url} is larger than 0 MB, the most that is fetched"):
            located(Download(url, below, public=False, most=size - 1), Scratch())
    memory.rm("/fetched", recursive=True)


def test_a_dataset_learns_from_a_download(server: Server) -> None:
    data = AutoDataset(Download(server.url("/data/rows.csv"), (server.url(),), public=False), target="y")
    assert data.open().facts.num_rows == {"train": 16, "validation": 4}


def test_a_redirect_that_leaves_the_beginning_is_refused_before_it_is_followed(server: Server) -> None:
    with serving({"/rows.csv": TABLE}) as other:
        server.answers |= {"/data/out.csv": other.url("/rows.csv"), "/data/up.csv": "/data/../secret.csv"}
        for name in ("out.csv", "up.csv"):
            with pytest.raises(DataError, match=rf"data/{name} leads to http://.*, which is not allowed"):
                fetched(server.url(f"/data/{name}"), server.url("/data/"), public=False)
        assert other.asked == []
        assert "/secret.csv" not in server.asked


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_address_is_refused_where_the_connection_is_made(server: Server, host: str) -> None:
    url = server.url("/data/rows.csv", host=host)
    with pytest.raises(DataError, match=r"Nothing is fetched from .*: it is a private address"):
        fetched(url, "http://", public=True)
    assert server.asked == []


def test_a_redirect_to_a_private_address_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address counts as one of the internet here; no other can be reached in a test."""
    server.answers["/data/inside.csv"] = server.url("/secret.csv", host="127.0.0.2")
    monkeypatch.setattr(ipaddress.IPv4Address, "is_global", property(lambda address: str(address) == "127.0.0.1"))
    with pytest.raises(DataError, match=r"Nothing is fetched from 127\.0\.0\.2: it is a private address"):
        fetched(server.url("/data/inside.csv"), "http://", public=True)


def test_a_beginning_is_one_of_whole_names_and_nothing_leads_above_it_or_elsewhere() -> None:
    assert is_below("https://example.org/a", ["https://example.org"])
    assert is_below("https://example.org/a", ["s3://bucket/", "https://"])
    for url in (
        "https://example.org.evil.example/a",
        "https://example.org/../a",
        "https://example.org/%2e%2E/a",
        "https://example.org/a::file:///etc/passwd",
        "https://example.org/?a::file:///etc/passwd",
    ):
        assert not is_below(url, ["https://example.org/"]), url


def test_addresses_of_networks_of_ones_own_are_not_public() -> None:
    private = ("10.0.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1", "fe80::1%eth0")
    assert not any(map(is_public, private))
    assert is_public("93.184.216.34")
