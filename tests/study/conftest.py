"""A store in a real SQLite file, a study in it, and its lease."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradfleet.search.space import Choice, Entry, Float, Int, SearchSpace, When
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store

Begin = Callable[..., subprocess.Popen[str]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked `stores` runs once for each kind of store."""
    marker = metafunc.definition.get_closest_marker("stores")
    if marker is not None and "url" in metafunc.fixturenames:
        metafunc.parametrize("url", marker.args or ("sqlite", "postgresql"), indirect=True)


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace(
        (
            Entry("architecture", Choice("mlp", "cnn")),
            Entry("architecture.cnn.channels", Int(8, 64, log=True), (When("architecture", ("cnn",)),)),
            Entry("learning_rate", Float(1e-4, 1e-1, log=True)),
        )
    )


@pytest.fixture
def spec(space: SearchSpace) -> dict[str, object]:
    return {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": space.to_json()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gradfleet.db"


@pytest.fixture
def url(request: pytest.FixtureRequest, file: Path) -> str:
    """Of an empty store: a SQLite file, or a database of PostgreSQL where the marker `stores` asks for it."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{file}"
    database: str = request.getfixturevalue("postgresql").new_database()
    return database


@pytest.fixture
def artifacts(tmp_path: Path) -> str:
    return str(tmp_path / "gradfleet-artifacts")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


@pytest.fixture
def study(store: Store, spec: dict[str, object], artifacts: str) -> StudyRow:
    return store.create_study("digits", spec, fingerprint="abc", seed=7, artifacts=artifacts)


@pytest.fixture
def lease(store: Store, study: StudyRow) -> Iterator[Lease]:
    with Lease.acquire(store, study) as held:
        yield held


@pytest.fixture
def crash_points(soak: bool) -> Callable[[int], range]:  # noqa: FBT001
    """At which of so many transactions a driver is killed: at each, in the short form at every fourth."""
    return lambda transactions: range(1, transactions + 1, 1 if soak else 4)


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Starts Python code in a process of its own, with lines in and out; what still runs is killed afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
