"""A service from Python and from the command line: the verbs and errors that a study has here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from gradfleet.errors import AccessError, ClusterError, ConflictError, NotFoundError, SettingError
from gradfleet.fleet.service_client import ServiceClient
from gradfleet.service import tokens
from gradfleet.study.storage.rows import StudyRow
from tests.cli.conftest import Run
from tests.cli.conftest import run as run


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """Of the service, really listening; nothing that is asked for is begun."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"service+http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def token(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> str:
    text = tokens.create(app.state.service.store, "alice", scope="admin")
    monkeypatch.setenv("GRADFLEET_TOKEN", text)
    return text


@pytest.mark.usefixtures("token")
def test_a_sweep_is_looked_at_as_a_study_is(address: str, study: StudyRow) -> None:
    service = ServiceClient(address)
    assert [one["name"] for one in service.sweeps()] == ["digits"]
    sweep = service.sweep("digits")
    assert (sweep.state, sweep.best["trial"], sweep.wait().facts()["trials"]) == ("completed", 2, 4)
    assert sweep.leaderboard()["trial"].tolist() == [2, 0, 1, 3]
    assert sweep.leaderboard(1, where="value < 0.9", sort="value")["trial"].tolist() == [1]
    with pytest.raises(ConflictError, match="digits is completed: there is no sweep to pause"):
        sweep.pause()
    sweep.delete()
    with pytest.raises(NotFoundError, match="No study is called 'digits'"):
        service.sweep("digits")


def test_errors_are_those_of_a_study(address: str, token: str, app: FastAPI) -> None:
    service = ServiceClient(address)
    with pytest.raises(SettingError, match="No key is called 'serch'") as refused:
        service.submit("version: 1\ntask: image-classification\ndata: x\nserch: 1\nspaces: 2\n")
    assert len(refused.value.problems) == 2
    with pytest.raises(AccessError, match="No token is like this one"):
        ServiceClient(address, token="gf_other").sweeps()
    with pytest.raises(ClusterError, match="No service answers at service\\+http://127.0.0.1:9"):
        ServiceClient("service+http://127.0.0.1:9").sweeps()
    with pytest.raises(SettingError, match="A service is at an address such as service\\+http://host:8000"):
        ServiceClient("http://127.0.0.1:9")


def test_the_command_line_speaks_to_a_service(run: Run, address: str, token: str, app: FastAPI, tmp_path: Path) -> None:
    (app.state.service.settings.data / "flowers").mkdir()
    file = tmp_path / "flowers.yaml"
    file.write_text("version: 1\nname: flowers\ntask: image-classification\ndata: flowers\n")
    made = run("sweep", "submit", file, "search.trials=3", "--cluster", address)
    assert (made.exit_code, made.stdout) == (0, f"sweep    flowers\ncluster  {address}\n"), made.stderr
    assert "flowers  queued" in run("sweep", "list", "--store", address).stdout
    assert "queued" in run("sweep", "show", "flowers", "--store", address).stdout
    assert run("sweep", "wait", "flowers", "--timeout", "1s", "--store", address).exit_code == 130
    stopped = run("sweep", "stop", "flowers", "--store", address)
    assert stopped.stderr == "It did not run yet, and will not begin.\n"
    assert run("sweep", "wait", "flowers", "--store", address).stdout == "flowers is stopped.\n"
    assert run("sweep", "retry", "flowers", "--store", address).exit_code == 0
    assert run("sweep", "delete", "flowers", "--yes", "--store", address).stdout == "flowers is gone.\n"
    assert run("sweep", "show", "flowers", "--store", address).exit_code == 5
