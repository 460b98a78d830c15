"""A Ray cluster over several hosts of one machine: a head without cores of its own, and workers with one each."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.cluster.hosts import Host, Network, wait_until

_START = ("-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats", "--object-store-memory=100000000")
_STARTS_WITHIN = 180.0  # seconds; a dozen processes import Ray at the same time


class RayHosts:
    """The cluster, and a host outside of it, `laptop`, which only knows the address and the token.

    Attributes:
        address: of the Jobs API.
        token: what every request to it, and every node, has to show.
        shared: a folder that all hosts see; `network.folder / "disk"` is a folder that each has for itself.
    """

    def __init__(self, network: Network, *, workers: Sequence[str] = ("one", "two")) -> None:
        self.network = network
        self.token = secrets.token_hex(20)
        self.shared = network.folder / "shared"
        self.hosts: dict[str, Host] = {}
        self._names = tuple(workers)

    def __enter__(self) -> Self:
        self.shared.mkdir()
        self.laptop = self.network.host("laptop")
        head = self._host("head", 0, "--head", "--dashboard-host=0.0.0.0")
        self.address = f"http://{head.address}:8265"
        for name in self._names:
            self.join(name)
        self.wait_for(len(self._names) + 1)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing: the hosts end with the network."""

    def join(self, name: str, *, cpus: int = 1) -> Host:
        """A worker that starts now; `wait_for` tells when it has joined."""
        return self._host(name, cpus, f"--address={self.hosts['head'].address}:6379")

    def wait_for(self, alive: int) -> None:
        """Return when so many nodes are alive, the head among them."""
        wait_until(lambda: self.alive() == alive, seconds=_STARTS_WITHIN, every=0.2, what=f"a cluster of {alive}")

    def alive(self) -> int:
        """How many nodes the head knows to be alive."""
        try:
            nodes = self.get("/nodes?view=summary")["data"]["summary"]
        except OSError:
            return 0
        return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)

    def get(self, path: str) -> Any:
        """What the head's HTTP API answers."""
        request = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def environment(self, **values: str) -> Mapping[str, str]:
        """What a process needs that may use the cluster."""
        inside = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "OMP_NUM_THREADS": "1"}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {**os.environ, **inside, "PATH": path, **values}

    def _host(self, name: str, cpus: int, *options: str) -> Host:
        host = self.hosts[name] = self.network.host(name)
        command = [sys.executable, *_START, f"--node-ip-address={host.address}", f"--num-cpus={cpus}", *options]
        with (self.network.folder / f"{name}.log").open("ab") as log:
            host.start(
                [*command, f"--temp-dir={host.disk}"] if "--head" in options else command,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return host
