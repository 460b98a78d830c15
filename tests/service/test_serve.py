"""`gradfleet serve` and `gradfleet token` in processes of their own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from gradfleet.service import tokens
from gradfleet.service.serve import _listen
from gradfleet.service.settings import ServiceSettings
from gradfleet.study.storage.store import Store
from tests.cli.conftest import Begin, Run
from tests.cli.conftest import begin as begin
from tests.cli.conftest import here as here


def started(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Address and token, as they are printed."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("gradfleet is at http://127.0.0.1:"), process.communicate()
    return line.split()[3].rstrip(","), process.stdout.readline().removeprefix("token: ").strip()


def get(address: str, token: str) -> dict[str, object]:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as found:
        answer: dict[str, object] = json.load(found)
        return answer


def test_serve_works_with_nothing_else(begin: Begin, here: Path) -> None:
    process = begin("serve", "--port", 0, cwd=here)
    address, token = started(process)
    assert get(f"{address}/v1/whoami", token)["scope"] == "admin"
    assert get(f"{address}/v1/sweeps", token)["total"] == 0
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    with Store.open(here / "gradfleet.db", must_exist=True) as store:
        assert [(one.scope, one.state) for one in tokens.listed(store)] == [("admin", "revoked")]


def test_a_token_is_made_listed_and_revoked(run: Run, here: Path) -> None:
    made = run("token", "create", "alice", "--scope", "run", "--expires", "12h")
    assert made.stdout.startswith("gf_")
    assert "This is the only time that it is shown." in made.stderr
    (alice,) = json.loads(run("token", "list", "--json").stdout)["tokens"]
    assert (alice["name"], alice["scope"], alice["state"]) == ("alice", "run", "valid")
    assert run("token", "revoke", "alice").stdout == "The token alice is revoked.\n"
    assert "revoked" in run("token", "list").stdout
    assert run("token", "revoke", "alice").exit_code == 5
    wrong = run("token", "create", "bob", "--expires", "soon")
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "Error: --expires is a duration such as '90s', '10m' or '1h30m', or a number of seconds; got 'soon'.\n",
    )


def test_a_door_to_the_outside_needs_a_token(run: Run, here: Path) -> None:
    refused = run("serve", "--host", "0.0.0.0", "--port", 0)
    assert refused.exit_code == 2
    assert "no token is there that anybody could use. Make one with `gradfleet token create" in refused.stderr


def test_a_port_that_is_taken_is_refused(begin: Begin, run: Run, here: Path) -> None:
    address, _ = started(begin("serve", "--port", 0, cwd=here))
    refused = run("serve", "--port", address.rpartition(":")[2])
    assert refused.exit_code == 2
    assert "Address already in use. Pass another --port." in refused.stderr


def test_what_is_answered_in_pieces_is_not_held_up(here: Path) -> None:
    """Asyncio switches Nagle's algorithm off for sockets that say that they are TCP."""
    with _listen(ServiceSettings(port=0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(
    ("options", "said"), [(("--port", "70000"), "port is from 0 to 65535"), (("--sweeps", "0"), "")]
)
def test_settings_that_cannot_be_are_refused(run: Run, here: Path, options: tuple[object, ...], said: str) -> None:
    refused = run("serve", *options)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_the_environment_says_where_sweeps_run_and_another_service_is_no_place(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLEET_CLUSTER", "service+http://127.0.0.1:9")
    refused = run("serve", "--port", 0)
    assert refused.exit_code == 2
    assert "cluster is where this service runs sweeps, not another service" in refused.stderr
    refused = run("serve", "--port", 0, "--cluster", "ray://head:10001")
    assert refused.exit_code == 2
    said = " ".join(refused.stderr.split())
    assert "cluster is the address of Ray's dashboard, such as http://head:8265, or auto or inline; " in said
    assert "got 'ray://head:10001'" in said
    assert "GRADFLEET_ARTIFACTS" in run("serve", "--help").stdout
