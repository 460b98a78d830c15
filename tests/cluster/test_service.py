"""A service on a host beside the cluster: its sweeps are jobs, which go on without it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.hosts import wait_until
from tests.cluster.ray_hosts import RayHosts
from tests.cluster.test_remote import jobs_of
from tests.service.running import Running, spec, trained, write_recipe

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TRIALS = 6

CALL = """\
import sys, urllib.error, urllib.request
address, token, body = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
with urllib.request.urlopen(urllib.request.Request(address, body.encode() or None, headers), timeout=60) as answer:
    print(answer.read().decode())
"""


class RunningOnLaptop(Running):
    """Its port is open on the laptop alone, so it is asked from there."""

    def __init__(self, folder: Path, cluster: RayHosts, *options: str) -> None:
        self._cluster = cluster
        super().__init__(folder, *options, environment=cluster.environment(), start=cluster.laptop.start)

    def text(self, path: str, body: Any = None) -> str:
        text = "" if body is None else json.dumps(body)
        asked = self._cluster.laptop.run([sys.executable, "-c", CALL, self.address + path, self._token, text])
        if asked.returncode != 0:
            raise OSError(asked.stderr)
        return asked.stdout

    def kill(self) -> None:
        """SIGKILL to what nsenter has begun."""
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        subprocess.run(["kill", "-KILL", child], check=True)
        self.process.communicate()


@pytest.fixture
def service(cluster: RayHosts) -> Iterator[RunningOnLaptop]:
    folder = cluster.shared / "service"
    write_recipe(folder, seconds=1.0)
    made = RunningOnLaptop(folder, cluster, "--cluster", cluster.address)
    yield made
    made.kill()


def test_a_sweep_waits_for_its_cluster_runs_as_a_job_and_outlives_its_service(
    cluster: RayHosts, service: RunningOnLaptop
) -> None:
    plug = ("ip", "link", "set", "eth0")
    cluster.laptop.run([*plug, "down"], check=True)
    service.ask("/v1/sweeps", spec("asked", trials=TRIALS, seed=0))
    wait_until(lambda: service.ask("/v1/sweeps/asked")["problem"], seconds=90, what="what it waits for", every=0.5)
    found = service.ask("/v1/sweeps/asked")
    assert (found["state"], found["problem"].partition(" (")[0]) == (
        "queued",
        f"No Ray cluster answers at {cluster.address}",
    )
    assert service.ask("/v1/ready")["cluster"].startswith("No Ray cluster answers")

    cluster.laptop.run([*plug, "up"], check=True)
    wait_until(lambda: service.ask("/v1/sweeps/asked")["trials"] >= 2, seconds=180, what="a second trial", every=1.0)
    service.kill()
    service.begin()
    assert service.ask("/v1/ready")["cluster"] == "ok"
    assert service.wait_for("asked", "completed", "failed", "stopped", seconds=240)["state"] == "completed"
    assert len(jobs_of(cluster, "asked")) == 1
    trials = service.ask("/v1/sweeps/asked/trials")["items"]
    assert [(one["trial"], one["state"], one["epochs"]) for one in trials] == [
        (n, "COMPLETE", 3) for n in range(TRIALS)
    ]
    assert {len(service.ask(f"/v1/sweeps/asked/trials/{number}/records")) for number in range(TRIALS)} == {3}
    assert set(trained(cluster.shared / "service").values()) == {1}
    assert service.ask("/v1/sweeps/asked/best")["state"] == "COMPLETE"
    assert "until 6 trials" in service.text("/v1/sweeps/asked/logs")
