"""A cluster of several hosts: trials run on all of them, and what they leave reaches the study."""

from __future__ import annotations

import sys

import pytest

from gradfleet import Study
from tests.cluster.ray_hosts import RayHosts

pytestmark = [pytest.mark.ray, pytest.mark.slow]

INSIDE = """\
import socket, time
from pathlib import Path
from gradfleet import AutoModel, Float, Objective

def train(config, report):
    for epoch in range(1, 4):
        time.sleep(0.2)
        Path("note").mkdir(exist_ok=True)
        Path("note", "host.txt").write_text(socket.gethostname())
        report({"score": config["x"], "host": float(socket.gethostname() == "one")}, checkpoint="note")

model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
model.fit(trials=8, name="inside", cluster="auto", scheduler="none", progress=False)
"""


@pytest.mark.row_part("DI4")
def test_a_driver_on_a_host_of_the_cluster_uses_all_hosts(cluster: RayHosts) -> None:
    head = cluster.hosts["head"]
    ran = head.run([sys.executable, "-c", INSIDE], cwd=cluster.shared, env=cluster.environment(), timeout=300)
    assert ran.returncode == 0, ran.stderr
    study = Study.attach("inside", store=cluster.shared / "gradfleet.db")
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 8
    assert {study.trial(number).metrics["host"] for number in range(8)} == {0.0, 1.0}
    checkpoint = study.artifacts.fetch(study.best.checkpoint or "")
    assert (checkpoint / "host.txt").read_text() in ("one", "two")
