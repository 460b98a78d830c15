"""How the cluster is, is asked of it once at a time, however many want to know."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from gradfleet.service.cluster_state import ClusterState
from gradfleet.service.service import Service
from gradfleet.service.settings import ServiceSettings


def test_of_many_who_ask_about_a_cluster_that_says_nothing_one_waits(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        service = Service.open(ServiceSettings(store=str(tmp_path / "x.db"), data=tmp_path / "data", cluster=address))
        cluster = ClusterState(service)
        with closing(service), ThreadPoolExecutor(1) as threads:
            first = threads.submit(cluster.now)
            connection, _ = silent.accept()
            assert [cluster.now() for _ in range(50)] == ["not looked at yet"] * 50
            connection.close()
            silent.close()
            found = first.result()
        assert found.startswith(f"No Ray cluster answers at {address} (")
        assert cluster.now() == found
