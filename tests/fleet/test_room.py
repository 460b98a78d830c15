"""How many trials a cluster has room for: what it never holds is refused, and what it holds later is waited for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray

from gradfleet.fleet import ray_executor, workers
from gradfleet.fleet.cluster import Cluster, Node, Room
from gradfleet.fleet.sharing import Part
from gradfleet.study.driving.budget import Budget
from gradfleet.study.study import Study
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.resources import Resources
from tests.fleet.conftest import Sweep

TWO = Resources(cpu=1, gpu=0, workers=2)


def test_a_cluster_that_grows_is_asked_for_more_than_it_holds() -> None:
    assert Cluster((), grows=True).workers(TWO) == 1
    assert Cluster((Node(1, 0), Node(1, 0)), grows=True).workers(TWO) == 2
    assert Cluster((Node(4, 0), Node(4, 0)), grows=True).workers(TWO) == 8


def test_a_part_of_a_cluster_that_grows_is_asked_for_twice_and_kept_once() -> None:
    """Of what it holds a sweep goes on with its part, so that another one begins when it cannot grow any more."""
    room = Room(Resources(cpu=1, gpu=0), Cluster((Node(4, 0), Node(3, 0)), grows=True), part=lambda: Part(0, 2))
    assert (room.most, room.own) == (7, 4)
    alone = Room(Resources(cpu=1, gpu=0), Cluster((Node(4, 0), Node(3, 0)), grows=True), part=Part)
    assert (alone.most, alone.own) == (14, 14)


def test_a_cluster_of_fewer_trials_than_sweeps_is_nobodys_for_longer_than_a_trial() -> None:
    room = Room(Resources(cpu=1, gpu=1), Cluster((Node(8, 1),)), part=lambda: Part(0, 2))
    assert (room.most, room.own) == (1, 0)


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
def test_a_sweep_gives_room_to_another_one_and_takes_it_again(sweep: Sweep, tmp_path: Path) -> None:
    """The other one counts while its work waits or runs; the sweep ends when two of its trials have run after that."""
    ended, both = tmp_path / "ended", tmp_path / "both"

    @ray.remote(num_cpus=1)
    def other() -> None:
        ended.touch()

    work: list[Any] = []

    def train(config: dict[str, Any], report: Any) -> None:
        mine = tmp_path / f"{config['x']}.trial"
        mine.touch()
        time.sleep(0.3)
        if ended.exists() and len(list(tmp_path.glob("*.trial"))) > len(list(tmp_path.glob("*.done"))) + 1:
            both.touch()
        mine.with_suffix(".done").touch()
        report({"score": 2.0 if both.exists() else config["x"]})

    def part() -> Part:
        if not work and len(list(tmp_path.glob("*.done"))) > 3:
            work.append(other.remote())
        return Part(sweeps=1 + len(ray.wait(work, timeout=0)[1]))

    budget = Budget(trials=2_000, target=2.0)
    study = sweep(FunctionRecipe(train), name="gives", budget=budget, epochs=1, part=part)
    assert ended.exists(), "the other one had room while the sweep went on"
    assert study.best.value == 2.0, "two trials run side by side again when it has gone"


@pytest.mark.ray
def test_two_sweeps_take_turns_where_there_is_room_for_one_trial(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "TURN", 0.0)

    def train(config: dict[str, Any], report: Any) -> None:
        time.sleep(0.3)
        report({"score": config["x"], "began": time.time()})

    def search(place: int) -> Study:
        whole, mine = Resources(cpu=2, gpu=0), Part(place, 2)
        budget = Budget(trials=3)
        recipe = FunctionRecipe(train)
        return sweep(recipe, name=f"turn-{place}", budget=budget, epochs=1, resources=whole, part=lambda: mine)

    with ThreadPoolExecutor(2) as both:
        studies = list(both.map(search, range(2)))
    assert [[trial.state for trial in study.trials] for study in studies] == [["COMPLETE"] * 3] * 2
    first, second = ([study.trial(n).metrics["began"] for n in range(3)] for study in studies)
    assert max(first[0], second[0]) < min(first[2], second[2]), "nobody waits for the end of the other one"


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
