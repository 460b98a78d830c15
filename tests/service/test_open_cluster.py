"""A Ray cluster that asks nobody for a token is refused unless it is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradfleet.errors import AccessError
from gradfleet.fleet.jobs import RemoteCluster
from gradfleet.service import readiness, starter, submissions
from gradfleet.service.serve import serve
from gradfleet.service.service import Service
from gradfleet.service.settings import ServiceSettings

pytestmark = [pytest.mark.ray, pytest.mark.slow]

OPEN = """\
import ray, sys
made = ray.init(address="local", num_cpus=1, include_dashboard=True, dashboard_port=0, log_to_driver=False)
print(made.address_info["webui_url"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of the dashboard of a Ray that has no token."""
    command = [sys.executable, "-c", OPEN]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://{process.stdout.readline().strip()}"
        process.communicate(timeout=60)


def test_an_open_cluster_is_refused_at_the_start_and_before_a_sweep_is_sent(
    address: str, service: Service, settings: ServiceSettings, tmp_path: Path
) -> None:
    assert RemoteCluster(address).is_open()
    with pytest.raises(AccessError, match=f"The cluster at {address} asks nobody for a token, so whoever .*--allow-op"):
        serve(replace(settings, store=str(tmp_path / "other.db"), cluster=address, port=0), say=pytest.fail)
    closed = replace(service, settings=replace(settings, cluster=address))
    assert readiness.cluster(closed).startswith(f"The cluster at {address} asks nobody for a token")
    assert readiness.cluster(replace(closed, settings=replace(closed.settings, open_cluster=True))) == "ok"

    submissions.add(service.store, "asked", {"version": 1, "recipe": "nowhere:recipe", "name": "asked"}, by="alice")
    (waiting,) = submissions.unsettled(service.store)
    number = submissions.claim(service.store, waiting)
    assert number is not None
    url = str(service.store.database.url)
    call = starter.Call(
        url, "asked", number, service.artifacts, address, open_cluster=False, urls=[], private_urls=[], most=10**6
    )
    with pytest.raises(AccessError):
        starter.run(call)
    (again,) = submissions.unsettled(service.store)
    assert (again.state, (again.problem or "").partition(" asks")[0]) == ("queued", f"The cluster at {address}")
