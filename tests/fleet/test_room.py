"""How many trials a cluster has room for: what it never holds is refused, and what it holds later is waited for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from gradfleet.fleet import ray_executor
from gradfleet.fleet.cluster import Cluster, Node
from gradfleet.study.driving.budget import Budget
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.resources import Resources
from tests.fleet.conftest import Sweep

TWO = Resources(cpu=1, gpu=0, workers=2)


def test_a_cluster_that_grows_is_asked_for_more_than_it_holds() -> None:
    assert Cluster((), grows=True).workers(TWO) == 1
    assert Cluster((Node(1, 0), Node(1, 0)), grows=True).workers(TWO) == 2
    assert Cluster((Node(4, 0), Node(4, 0)), grows=True).workers(TWO) == 8


NAMED = """\
import os
os.environ["RAY_NODE_TYPE_NAME"] = "workers"
from gradfleet.fleet.cluster import Cluster, connect
found = [connect().grows]
for said in ("ray start --head --no-monitor --num-cpus=0", "ray start --head --num-cpus=0"):
    os.environ["KUBERAY_GEN_RAY_START_CMD"] = said
    found.append(Cluster.current().grows)
print(found)
"""


@pytest.mark.ray
def test_kuberay_grows_where_its_autoscaler_runs_instead_of_rays_monitor() -> None:
    """It names the types of its hosts in any case, as an autoscaler does."""
    ended = subprocess.run([sys.executable, "-c", NAMED], capture_output=True, text=True, timeout=120)
    assert ended.stdout == "[True, True, False]\n", ended.stderr


@pytest.mark.ray
@pytest.mark.row("SE7")
def test_a_sweep_that_waits_for_others_says_so_once_and_begins_when_they_have_gone(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ray_executor, "SAID_AFTER", 0.5)

    @ray.remote(num_cpus=2)
    def other() -> None:
        time.sleep(6)

    def train(config: dict[str, Any], report: Any) -> None:
        report({"score": config["x"]})

    running = other.remote()
    study = sweep(FunctionRecipe(train), name="waits", budget=Budget(trials=2), epochs=1, shown=True)
    ray.get(running)
    said = [line for line in capsys.readouterr().err.splitlines() if "waiting" in line]
    assert said == [
        "A trial asks for 1 cpu and 0 gpu; the cluster has 2 cpu and 0 gpu in all and 0 cpu and 0 gpu free. Others use "
        "the rest; waiting for room."
    ]
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 2


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.row("DI7")
def test_two_gangs_of_two_on_two_hosts_with_one_core_each_both_finish(tmp_path: Path) -> None:
    """Neither begins with one process and waits for the other's core: a gang has room for all of it or for none."""
    script = Path(__file__).with_name("two_hosts.py")
    ended = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["states"] == {"first": ["COMPLETE"] * 2, "second": ["COMPLETE"] * 2}
    assert all(len(set(hosts)) == 2 for hosts in found["hosts"]), "the two processes of a gang are on two hosts"
    assert found["ranks"] == [0.0] * 4, "only the first process reports"
