"""A cluster of a store's own: sweeps share one Ray of this machine, which outlives the service until it is ended."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gradfleet.fleet.heads import Head
from gradfleet.fleet.own_cluster import OwnCluster
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.service.running import Running, check_sweep, spec, trained, write_recipe

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.long]

WAITS = 180.0  # seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of the service; what is written down of its cluster lies there too, for this process as for all others."""
    place = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(place / "state"))
        yield place


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[OwnCluster]:
    found = OwnCluster.of(folder / "gradfleet.db")
    yield found
    found.end()


@pytest.fixture(scope="module")
def service(folder: Path, cluster: OwnCluster) -> Iterator[Running]:
    write_recipe(folder, seconds=0.4)
    made = Running(folder)
    yield made
    made.end()


def living(cluster: OwnCluster) -> Head:
    """Its head, which runs."""
    head = cluster.head
    assert head is not None
    assert head.is_alive
    return head


def wait_until(service: Running, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAITS
    while not holds():
        assert time.monotonic() < deadline, service.text("/v1/sweeps")
        time.sleep(0.2)


def running(service: Running, name: str) -> int:
    """How many trials of a sweep run now."""
    found: int = service.ask(f"/v1/sweeps/{name}")["running"]
    return found


def test_sweeps_share_a_cluster_that_outlives_their_service_and_is_begun_anew_when_it_died(
    service: Running, cluster: OwnCluster
) -> None:
    assert service.ask("/v1/ready")["cluster"] == "starts with the first sweep"
    service.ask("/v1/sweeps", spec("long", trials=500, seed=0))
    wait_until(service, lambda: running(service, "long"))
    before = living(cluster)
    service.kill()
    service.begin()
    assert service.ask("/v1/ready")["cluster"] == "ok"
    service.ask("/v1/sweeps", spec("short", trials=8, seed=1))
    wait_until(service, lambda: running(service, "short") and running(service, "long"))
    assert cluster.head == before
    both_begin_with = repr(0.5)  # the default
    times = {times for (x, _), times in trained(service.folder).items() if x != both_begin_with}
    assert times == {1}, "nothing is trained twice"

    begun = service.ask("/v1/sweeps/long")["trials"]
    os.kill(before.holder.pid, signal.SIGKILL)
    assert service.wait_for("short", "completed", "failed", "stopped", seconds=WAITS)["state"] == "completed"
    check_sweep(service, "short", trials=8)
    # Those that ran go on, and then others: a driver is there that can be asked to stop.
    wait_until(service, lambda: service.ask("/v1/sweeps/long")["trials"] > begun + 2)
    service.ask("/v1/sweeps/long/stop", {})
    assert service.wait_for("long", "completed", "failed", "stopped", seconds=WAITS)["state"] == "stopped"
    trials = service.ask("/v1/sweeps/long/trials?limit=500")["items"]
    assert [one["trial"] for one in trials] == list(range(len(trials)))
    assert {one["epochs"] for one in trials if one["state"] == "COMPLETE"} == {3}
    after = living(cluster)
    assert (after.former, after.holder == before.holder) == ((before.address,), False)
    assert before.processes() == []


def test_sweeps_go_on_there_whenever_the_service_is_killed(service: Running, folder: Path) -> None:
    moments, before = random.Random(0), trained(folder)
    names = ["one", "other"]
    for seed, name in enumerate(names, start=2):
        service.ask_until_it_answers("/v1/sweeps", spec(name, trials=8, seed=seed))
    for _ in range(5):
        time.sleep(moments.uniform(0.0, 4.0))
        service.kill()
        service.begin()
    for name in names:
        assert service.wait_for(name, "completed", "failed", "stopped", seconds=WAITS)["state"] == "completed"
    xs = [x for name in names for x in check_sweep(service, name, trials=8)]
    assert trained(folder) - before == Counter((x, epoch) for x in xs for epoch in "123"), "nothing is trained twice"


def test_the_cluster_is_ended_by_a_word_with_all_that_belongs_to_it(
    service: Running, cluster: OwnCluster, run: Run
) -> None:
    service.ask("/v1/sweeps", spec("last", trials=2, seed=9))
    assert service.wait_for("last", "completed", "failed", "stopped", seconds=WAITS)["state"] == "completed"
    check_sweep(service, "last", trials=2)
    head = living(cluster)
    its_own = head.processes()
    assert len(its_own) > 5
    options = ("serve", "--stop-cluster", "--store", service.folder / "gradfleet.db")
    assert run(*options).stdout.startswith(f"The cluster of {cluster.store} has ended, ")
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in its_own)
    assert not Path(head.scratch).exists()
    assert service.process.poll() is None
    assert run(*options).stdout == f"No cluster of {cluster.store} runs on this machine.\n"
