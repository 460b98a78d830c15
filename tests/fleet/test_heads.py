"""What is written down of a store's head: who finds it, when it counts as dead, and what is ended with it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradfleet.fleet.heads import MARK, Head, head_at
from gradfleet.fleet.jobs import RemoteCluster
from gradfleet.fleet.own_cluster import OwnCluster
from gradfleet.study.storage.holder import Holder

ADDRESS = "http://127.0.0.1:4321"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnCluster:
    """That of a store; everything is written down below a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = OwnCluster.of(tmp_path / "gradfleet.db")
    found.folder.mkdir(parents=True)
    return found


@pytest.fixture
def head(tmp_path: Path) -> Head:
    """One whose process is this one."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Head(holder=Holder.current(), mark=f"mark-{os.getpid()}", token="secret", scratch=str(scratch))


@pytest.fixture
def worker(head: Head) -> Iterator[subprocess.Popen[bytes]]:
    """A process that belongs to it, in a session of its own."""
    with sleeping(head.mark) as process:
        yield process
        process.kill()


def sleeping(mark: str) -> subprocess.Popen[bytes]:
    """A process with that mark."""
    program = [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"]
    environment = {**os.environ, MARK: mark}
    process = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_living_head_is_found_by_its_address_and_has_its_own_token(
    cluster: OwnCluster, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "that of another cluster")
    assert (cluster.head, cluster.address, head_at(ADDRESS)) == (None, None, None)
    head.write(cluster.folder)
    assert (cluster.head, cluster.address) == (head, None)
    replace(head, address=ADDRESS).write(cluster.folder)
    assert cluster.address == ADDRESS
    found = head_at(ADDRESS)
    assert found is not None
    assert RemoteCluster(ADDRESS)._token == found.token == "secret"
    assert RemoteCluster("http://127.0.0.1:4322")._token == "that of another cluster"
    assert stat.S_IMODE((cluster.folder / "head.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("changed", [{"boot": "before"}, {"process_started": 1.0}, {"host": "another"}])
def test_after_a_restart_or_elsewhere_a_head_is_dead_whatever_has_its_process_id(
    cluster: OwnCluster, head: Head, changed: dict[str, object]
) -> None:
    gone = replace(head, holder=replace(head.holder, **changed), address=ADDRESS)  # type: ignore[arg-type]
    gone.write(cluster.folder)
    assert (cluster.head, cluster.address, head_at(ADDRESS)) == (gone, None, None)
    assert cluster.has_had(ADDRESS)
    assert not cluster.has_had("http://127.0.0.1:1")


def test_what_cannot_be_read_is_no_head(cluster: OwnCluster) -> None:
    (cluster.folder / "head.json").write_text('{"pid": 1}')
    assert cluster.head is None
    assert cluster.end() == 0


def test_one_store_has_one_cluster_however_it_is_written(
    tmp_path: Path, cluster: OwnCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert OwnCluster.of(None) == OwnCluster.of(f"sqlite:///{tmp_path}/gradfleet.db") == cluster
    server = OwnCluster.of("postgresql://me:secret@db/sweeps")
    assert server == OwnCluster.of("postgresql://me@db/sweeps") == OwnCluster.of(server.store)
    assert "secret" not in server.store
    assert server.folder != cluster.folder


def test_what_belongs_to_a_head_ends_with_it_and_nothing_else(
    cluster: OwnCluster, head: Head, worker: subprocess.Popen[bytes]
) -> None:
    head.write(cluster.folder)
    with sleeping("another mark") as other:
        (found,) = head.processes()
        assert found.pid == worker.pid
        assert cluster.end() == 1
        assert not found.is_running()
        assert other.poll() is None
        other.kill()
    assert not Path(head.scratch).exists()
    assert cluster.end() == 0
