"""A service over a real store, clients with tokens of every scope, and a study to look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet.search.space import Choice, Entry, Float, Int, SearchSpace, When
from gradfleet.service import tokens
from gradfleet.service.app import create_app
from gradfleet.service.service import Service
from gradfleet.service.settings import ServiceSettings
from gradfleet.service.tokens import Scope
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow, TrialState
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from tests.cli.conftest import done as done
from tests.cli.conftest import run as run
from tests.service.html_page import HtmlPage
from tests.study import written

Client = Callable[..., TestClient]

SPACE = SearchSpace(
    (
        Entry("architecture", Choice("mlp", "cnn")),
        Entry("architecture.cnn.channels", Int(8, 64, log=True), (When("architecture", ("cnn",)),)),
        Entry("learning_rate", Float(1e-4, 1e-1, log=True)),
    )
)


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return ServiceSettings(store=str(tmp_path / "gradfleet.db"), data=tmp_path / "data")


@pytest.fixture
def app(settings: ServiceSettings) -> Iterator[FastAPI]:
    made = create_app(settings)
    yield made
    made.state.service.close()


@pytest.fixture
def service(app: FastAPI) -> Service:
    found: Service = app.state.service
    return found


@pytest.fixture
def store(service: Service) -> Store:
    return service.store


@pytest.fixture
def client(app: FastAPI) -> Iterator[Client]:
    """Makes clients: with a new token of that scope, with a text of one's own, or without any."""
    made: list[TestClient] = []

    def make(scope: Scope | None = None, *, text: str | None = None) -> TestClient:
        if scope is not None:
            text = tokens.create(app.state.service.store, f"{scope}-{len(made)}", scope=scope)
        headers = {} if text is None else {"Authorization": f"Bearer {text}"}
        one = TestClient(app, base_url="http://127.0.0.1:8000", headers=headers, raise_server_exceptions=False)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.fixture
def reader(client: Client) -> TestClient:
    return client("read")


@pytest.fixture
def runner(client: Client) -> TestClient:
    return client("run")


@pytest.fixture
def admin(client: Client) -> TestClient:
    return client("admin")


def logged_in(app: FastAPI, scope: Scope) -> TestClient:
    """A browser with a new token of that scope."""
    browser = TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False, raise_server_exceptions=False)
    form = HtmlPage(browser.get("/ui/login").text).form("/ui/login")
    text = tokens.create(app.state.service.store, f"browser-{scope}", scope=scope)
    assert browser.post("/ui/login", data={**form.fields, "token": text}).status_code == 303
    return browser


@pytest.fixture(scope="module")
def served(done: Path) -> Iterator[FastAPI]:
    """A service over the store that has `tiny`, whose two trials have models."""
    app = create_app(ServiceSettings(store=str(done / "gradfleet.db"), data=done / "data"))
    yield app
    app.state.service.close()


@pytest.fixture(scope="module")
def visitor(served: FastAPI) -> Iterator[TestClient]:
    """A browser of it that may do all."""
    with closing(logged_in(served, "admin")) as one:
        yield one
    tokens.revoke(served.state.service.store, "browser-admin")


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The address of a service, as clients take it; nothing that is asked for is begun."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"service+http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with listening(app) as found:
        yield found


@pytest.fixture
def token(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> str:
    """One that clients find, and that may do all."""
    text = tokens.create(app.state.service.store, "alice", scope="admin")
    monkeypatch.setenv("GRADFLEET_TOKEN", text)
    return text


def write_study(
    store: Store,
    name: str = "digits",
    *,
    reason: str = "because",
    traceback: str = "ZeroDivisionError: division by zero",
    architecture: str = "mlp",
    **spec: Any,
) -> StudyRow:
    """A study of four trials: the best is 2, trial 1 was pruned, 3 has failed; trial 2 has a loss that is no number.

    Args:
        architecture: of every trial, whatever the space says.
    """
    values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json(), **spec}
    values |= {"data": None, "recipe": {"kind": "pickle", "place": "nowhere"}, "facts": None}
    values.setdefault("search", {"sampler": "tpe", "epochs": 2, "budget": {"trials": 4, "seconds": None}})
    study = store.create_study(name, values, fingerprint="abc", seed=7)
    ends: list[tuple[TrialState, list[float]]] = [
        ("COMPLETE", [0.5, 0.6]), ("PRUNED", [0.4]), ("COMPLETE", [0.7, 0.9]), ("FAIL", [])
    ]  # fmt: skip
    with Lease.acquire(store, study) as lease:
        store.set_state(lease, "running")
        for number, (state, values_of) in enumerate(ends):
            config = {"architecture": architecture, "learning_rate": 10.0 ** (number - 4)}
            written.add_trial(store, lease, number, config, seed=number, optuna_number=number)
            for epoch, value in enumerate(values_of, 1):
                loss = float("nan") if number == 2 and epoch == 2 else 1 - value
                store.add_record(lease, number, EpochRecord(epoch, {"val_accuracy": value, "val_loss": loss}))
            why = traceback if state == "FAIL" else None
            written.end_trial(store, lease, number, state, reason=reason, traceback=why)
        store.set_state(lease, "completed")
    return store.study(name)


@pytest.fixture
def study(store: Store) -> StudyRow:
    return write_study(store)
