"""The README's "Run it for your team", word for word: PostgreSQL, a cluster of two hosts, the service on a third."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import write_images
from tests.cluster.hosts import Host, Network, missing, wait_until
from tests.plugin.postgresql import PostgreSQL, served

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.long]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## Run it for your team")[2].partition("\n## ")[0]
BEGIN, ASK = (
    block.replace("\\\n", " ").strip().splitlines() for block in re.findall(r"^```\n(.*?)^```", SECTION, re.M | re.S)
)
SWEEP = "{version: 1, name: flowers, task: image-classification, data: flowers.zip, search: {trials: 3, epochs: 2}}"
SERVICE = "sweeps.example.org"


@pytest.fixture
def network() -> Iterator[Network]:
    lacking = missing()
    if lacking is not None:
        pytest.skip(lacking)
    with Network() as made:
        yield made


@pytest.fixture
def database(network: Network) -> Iterator[PostgreSQL]:
    """A server that every host of the network reaches as `db`."""
    with served(network.address) as server:
        network.name("db", network.address)
        yield server


class Team:
    """The hosts, and somebody who types what the README says on one or the other."""

    def __init__(self, network: Network, database: PostgreSQL) -> None:
        self._shared = network.folder / "shared"
        self._shared.mkdir()
        self.hosts: Mapping[str, Host] = {name: network.host(name) for name in ("first-host", "second-host", SERVICE)}
        for host in self.hosts.values():  # Ray asks the way to the internet which address is its own
            host.run(["ip", "route", "add", "default", "via", network.address], check=True)
        self._variables = {
            "GRPC_DNS_RESOLVER": "native",  # there is no name server here, and another resolver asks nobody else
            "PGPORT": str(database.port),
            "PGUSER": "gradfleet",
            "RAY_AUTH_MODE": "token",
            "RAY_TMPDIR": str(network.folder / "disk"),  # as /tmp is of each host alone
        }
        self.folder = network.folder / "home"
        self.folder.mkdir()

    def begin(self, line: str, host: str, **values: str) -> subprocess.Popen[Any]:
        """Start a line of the README there; `/shared` is the folder that all hosts share."""
        typed = line.partition("  #")[0].replace("/shared/", f"{self._shared}/")
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return self.hosts[host].start(
            ["env", f"--chdir={self.folder}", "sh", "-c", typed], env=self._environment(values), **pipes
        )

    def run(self, line: str, host: str = SERVICE, **values: str) -> str:
        """What it has printed at its end."""
        process = self.begin(line, host, **values)
        said, complained = process.communicate(timeout=240)
        assert process.returncode == 0, f"{line}\n{said}\n{complained}"
        return str(said)

    def ask(self, line: str, token: str) -> Any:
        """What `curl` gets as JSON."""
        return json.loads(self.run(line.replace("curl ", "curl --silent --show-error ", 1), TOKEN=token))

    def _environment(self, values: Mapping[str, str]) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {**os.environ, "PATH": path, "RAY_AUTH_TOKEN": "0123456789" * 4, **self._variables, **values}


def test_whoever_follows_it_has_a_cluster_a_service_and_a_prediction(network: Network, database: PostgreSQL) -> None:
    team = Team(network, database)
    install, create, new_token, export, head, worker, serve = BEGIN
    assert (install.split()[:2], export.split()[0]) == (["pip", "install"], "export")  # done for every test
    upload, submit, leaderboard, predict = ASK

    team.run(create)
    token = re.findall(r"^(?:token: )?(\S{20,})$", team.run(new_token), re.MULTILINE)[0]
    team.run(head, "first-host")
    team.run(worker, "second-host")
    service = team.begin(serve, SERVICE)
    ready = f"curl http://{SERVICE}:8000/v1/ready"
    wait_until(lambda: "ok" in _quietly(team, ready, token), seconds=120, what="the service", every=1.0)

    images = team.folder / "flowers"
    write_images(images)
    shutil.make_archive(str(images), "zip", images)
    Image.open(next(images.rglob("*.png"))).convert("RGB").save(team.folder / "new.jpg")
    (team.folder / "flowers.yaml").write_text(SWEEP)
    team.ask(upload, token)
    team.ask(submit, token)
    shown = f'curl -H "Authorization: Bearer $TOKEN" http://{SERVICE}:8000/v1/sweeps/flowers'
    wait_until(
        lambda: team.ask(shown, token)["state"] in ("completed", "failed"), seconds=240, what="the end", every=2.0
    )

    found = team.ask(shown, token)
    assert (found["state"], found["problem"]) == ("completed", None)
    assert len(team.ask(leaderboard, token)["items"]) == 3
    (predicted,) = team.ask(predict, token)["predictions"]
    assert predicted["prediction"] in {folder.name for folder in images.iterdir()}
    assert service.poll() is None
    team.hosts[SERVICE].kill()
    service.communicate()


def _quietly(team: Team, line: str, token: str) -> str:
    try:
        return json.dumps(team.ask(line, token))
    except (AssertionError, json.JSONDecodeError):
        return ""
