"""Clusters that are refused before anything is sent to them, by what answers at their address."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import ray
from ray.exceptions import AuthenticationError

from gradfleet.errors import AccessError, ClusterError
from gradfleet.fleet.cluster_token import cluster_token
from gradfleet.fleet.jobs import Job, RemoteCluster
from tests.cli.conftest import Run, write_images
from tests.cli.conftest import here as here
from tests.cli.conftest import run as run

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

Answering = Callable[[int, str], str]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts an endpoint that gives every request one answer; its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def metadata(*, ray_version: str = ray.__version__, python: str = f"{PYTHON}.0") -> str:
    """What the head of such a cluster says of itself."""
    return json.dumps({"result": True, "msg": "", "data": {"rayVersion": ray_version, "pythonVersion": python}})


def test_the_same_ray_and_python_are_taken_whatever_the_patch_of_python(answering: Answering) -> None:
    RemoteCluster.at(answering(200, metadata(python=f"{PYTHON}.99"))).check()


@pytest.mark.parametrize(
    ("said", "theirs"),
    [
        (metadata(ray_version="2.40.0"), f"Ray 2.40.0 and Python {PYTHON}"),
        (metadata(python="3.8.19"), f"Ray {ray.__version__} and Python 3.8"),
    ],
)
def test_another_ray_or_python_is_refused_with_both_versions(answering: Answering, said: str, theirs: str) -> None:
    address = answering(200, said)
    message = f"The cluster at {address} runs {theirs}, and this process Ray {ray.__version__} and Python {PYTHON}."
    with pytest.raises(ClusterError, match=re.escape(message)):
        RemoteCluster.at(address).check()


def test_another_ray_is_one_line_on_the_command_line_and_nothing_is_left(
    answering: Answering, run: Run, here: Path
) -> None:
    write_images(here / "images")
    address = answering(200, metadata(ray_version="2.40.0"))
    before = sorted(here.rglob("*"))
    ended = run("fit", "image-classification", "images", "--cluster", address)
    assert ended.exit_code == 3
    assert re.fullmatch(r"Error: The cluster at \S+ runs Ray 2\.40\.0 .* what the cluster has\.\n", ended.stderr)
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("status", "says"), [(401, "asks for a token, and none was found"), (403, "refuses the token that was found")]
)
def test_a_token_that_is_missing_or_wrong(answering: Answering, status: int, says: str) -> None:
    with pytest.raises(AccessError, match=says):
        RemoteCluster.at(answering(status, "")).check()


def test_a_token_may_end_with_a_newline_and_one_that_cannot_be_sent_is_not_shown(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = answering(200, metadata())
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret\n")
    assert cluster_token() == "secret"
    RemoteCluster.at(address).check()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "sec\nret")
    with pytest.raises(AccessError, match=r"is no token: it has characters that no request can carry\.$") as caught:
        RemoteCluster.at(address).check()
    assert "ret" not in str(caught.value).replace("carry", "")


def test_a_job_is_unknown_where_the_cluster_says_so_and_not_where_404_stands_in_an_error() -> None:
    class Client:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def get_job_status(self, _: str) -> None:
            raise self.error

    job = Job("http://127.0.0.1:40404", "gradfleet-run-404")
    gone = RuntimeError("Request failed with status code 404: Job gradfleet-run-404 does not exist.")
    assert job._status(Client(gone)) is None  # type: ignore[arg-type]
    for away in (OSError("HTTPConnectionPool(host='127.0.0.1', port=40404)"), RuntimeError("status 500 of run-404")):
        with pytest.raises(ClusterError, match="does not say how job gradfleet-run-404 is"):
            job._status(Client(away))  # type: ignore[arg-type]
    with pytest.raises(AccessError):
        job._status(Client(AuthenticationError("no")))  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "body"), [(404, ""), (200, "<html>a router</html>"), (200, '{"detail": "ok"}')])
def test_what_answers_but_is_no_ray_cluster(answering: Answering, status: int, body: str) -> None:
    with pytest.raises(ClusterError, match=r"The address is that of Ray's dashboard, such as http://head:8265\."):
        RemoteCluster.at(answering(status, body)).check()


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_head_that_is_not_ready_takes_no_jobs(answering: Answering, status: int) -> None:
    with pytest.raises(ClusterError, match=rf"No Ray cluster answers at .*{status}.*such as http://head:8265\."):
        RemoteCluster.at(answering(status, "busy")).client()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "https://127.0.0.1:9", "http://no-such-host.invalid:8265"])
def test_an_address_that_does_not_answer(address: str) -> None:
    with pytest.raises(ClusterError, match=f"No Ray cluster answers at {address} .*such as http://head:8265") as caught:
        RemoteCluster.at(address).check()
    assert not isinstance(caught.value, AccessError)


@pytest.mark.parametrize("address", ["ray://127.0.0.1:9", "ray://no-such-host.invalid:10001", "ray://127.0.0.1:port"])
def test_a_client_address_that_does_not_answer_is_said_with_what_to_pass_instead(address: str) -> None:
    with pytest.raises(ClusterError, match=f"No Ray cluster answers at {address} .*cluster='http://head:8265'"):
        RemoteCluster.at(address)


DOOR = """\
from ray._private.grpc_utils import create_grpc_server_with_interceptors
from ray.core.generated import ray_client_pb2_grpc

server = create_grpc_server_with_interceptors(max_workers=2)
ray_client_pb2_grpc.add_RayletDriverServicer_to_server(ray_client_pb2_grpc.RayletDriverServicer(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


@pytest.fixture(scope="module")
def door() -> Iterator[str]:
    """Where Ray Client would be let in with a token, by Ray's own door; there is no cluster behind it."""
    with serving(DOOR, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="k" * 40) as address:
        yield address


@contextmanager
def serving(script: str, *arguments: str, **environment: str) -> Iterator[str]:
    """The address of a process that runs the script, which prints its port."""
    command = [sys.executable, "-c", script, *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    with subprocess.Popen(command, env=inherited | environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"ray://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("token", "says"), [("", "asks for a token, and none was found"), ("x" * 40, "refuses the token that was found")]
)
def test_a_token_for_ray_client_that_is_missing_or_wrong(
    door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, says: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # which has no token of its own
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with pytest.raises(AccessError, match=f"The cluster at {door} {says} in RAY_AUTH_TOKEN"):
        RemoteCluster.at(door)


STILLBORN = """\
import sys
from pathlib import Path
from ray._private.grpc_utils import create_grpc_server_with_interceptors
from ray.core.generated import ray_client_pb2, ray_client_pb2_grpc

class Door(ray_client_pb2_grpc.RayletDriverServicer):
    def ClusterInfo(self, request, context):
        return ray_client_pb2.ClusterInfoResponse(json="{}")

class Data(ray_client_pb2_grpc.RayletDataStreamerServicer):
    def Datapath(self, requests, context):
        with Path(sys.argv[1]).open("a") as file:
            file.write("asked\\n")
        reply = ray_client_pb2.DataResponse(init=ray_client_pb2.InitResponse(ok=False, msg="failed"))
        reply.req_id = next(requests).req_id
        yield reply

class Logs(ray_client_pb2_grpc.RayletLogStreamerServicer):
    def Logstream(self, requests, context):
        yield from ()

server = create_grpc_server_with_interceptors(max_workers=8)
ray_client_pb2_grpc.add_RayletDriverServicer_to_server(Door(), server)
ray_client_pb2_grpc.add_RayletDataStreamerServicer_to_server(Data(), server)
ray_client_pb2_grpc.add_RayletLogStreamerServicer_to_server(Logs(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


@pytest.mark.slow
def test_a_cluster_whose_clients_die_at_birth_is_asked_again_before_it_is_given_up(tmp_path: Path) -> None:
    with (
        serving(STILLBORN, str(tmp_path / "asked")) as address,
        pytest.raises(
            ClusterError, match=r"does not say where its dashboard is .*\. Pass the address of its dashboard"
        ),
    ):
        RemoteCluster.at(address)
    assert len((tmp_path / "asked").read_text().splitlines()) == 5
