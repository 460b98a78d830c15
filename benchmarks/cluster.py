"""Sweeps on a remote cluster: how soon a handle is there, and what survives when clients and hosts are killed.

    python benchmarks/cluster.py [--submissions 5] [--clients 20] [--hosts 10]

The cluster is a head and two workers of one core each, as network namespaces of this machine; it needs root. Clients
are processes on a host of their own, killed by SIGKILL at moments spread over their time; hosts are killed with all
that runs there, and another one joins.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from gradfleet import AutoModel, Float, Objective, Study
from tests.cluster.hosts import Network, wait_until
from tests.cluster.ray_hosts import RayHosts

EPOCHS = 4
TRIALS = 8
_NEVER = 600.0  # seconds


def train(config: dict[str, Any], report: Any) -> None:
    came_from = report.resume()
    done = 0 if came_from is None else int((came_from / "epoch.txt").read_text())
    kept = Path("kept")
    kept.mkdir(exist_ok=True)
    for epoch in range(done + 1, EPOCHS + 1):
        time.sleep(0.5)
        with Path(os.environ["SHARED"], "epochs.txt").open("a") as log:
            log.write(f"{os.environ['STUDY']} {config['x']:.9f} {epoch}\n")
        (kept / "epoch.txt").write_text(str(epoch))
        report({"score": float(config["x"])}, epoch=epoch, checkpoint=kept)


def client(name: str) -> None:
    """What runs on the laptop: sends one sweep away, and says how long `fit` took."""
    shared, study = os.environ["SHARED"], name

    def search(config: dict[str, Any], report: Any) -> None:
        os.environ |= {"SHARED": shared, "STUDY": study}
        train(config, report)

    model = AutoModel.from_function(search, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
    started = time.time()
    model.fit(
        trials=TRIALS,
        epochs=EPOCHS,
        scheduler="none",
        name=name,
        cluster=os.environ["CLUSTER"],
        store=f"{shared}/gradfleet.db",
        resume=True,
        wait=False,
        progress=False,
    )
    print(json.dumps({"started": started, "handle": time.time() - started}))


class Bench:
    """The cluster, and clients on its laptop."""

    def __init__(self, cluster: RayHosts) -> None:
        self._cluster = cluster
        self._environment = cluster.environment(CLUSTER=cluster.address, SHARED=str(cluster.shared))
        self._names = 0

    def new_name(self) -> str:
        self._names += 1
        return f"sweep-{self._names}"

    def submission(self) -> tuple[float, float]:
        """Seconds until the handle, and until the first record, after a call of `fit`."""
        name = self.new_name()
        said = self._sent(name)
        study = self._study(name)
        wait_until(lambda: any(trial.epochs for trial in study.trials), seconds=_NEVER, what="a record", every=0.02)
        began = min(trial.started for trial in study.trials)
        study.wait()
        return said["handle"], began - said["started"]

    def killed_client(self, after: float) -> tuple[int, bool]:
        """Kill a client `after` seconds, run it again; how many jobs there were, and whether the study completed."""
        name = self.new_name()
        process = self._client(name)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            self._kill(name)
        process.communicate()
        self._sent(name)
        study = self._study(name).wait()
        jobs = [job for job in self._cluster.get("/api/jobs/") if (job["metadata"] or {}).get("study") == name]
        return len(jobs), self._is_whole(study)

    def lost_host(self, after: float) -> tuple[bool, int]:
        """Kill a worker host `after` seconds of training; whether the sweep is whole, and epochs trained twice."""
        name = self.new_name()
        self._sent(name)
        study = self._study(name)
        wait_until(lambda: any(trial.epochs for trial in study.trials), seconds=_NEVER, what="a record")
        time.sleep(after)
        workers = [host for host in self._cluster.hosts if host != "head"]
        lost = random.choice(workers)
        self._cluster.hosts.pop(lost).kill()
        self._cluster.join(f"host-{self._names}")
        study.wait()
        lines = [line.split() for line in (self._cluster.shared / "epochs.txt").read_text().splitlines()]
        times = Counter((x, epoch) for study_name, x, epoch in lines if study_name == name)
        self._cluster.wait_for(3)
        return self._is_whole(study), sum(times.values()) - len(times)

    def _client(self, name: str) -> subprocess.Popen[str]:
        command = [sys.executable, os.path.abspath(__file__), "--client", name]
        return self._cluster.laptop.start(command, env=self._environment, stdout=subprocess.PIPE, text=True)

    def _kill(self, name: str) -> None:
        found = self._cluster.laptop.run(["ps", "-eo", "pid,args"]).stdout.splitlines()
        for line in found:
            if line.endswith(f"--client {name}"):
                self._cluster.laptop.run(["kill", "-9", line.split()[0]])

    def _sent(self, name: str) -> dict[str, float]:
        told, _ = self._client(name).communicate(timeout=_NEVER)
        said: dict[str, float] = json.loads(told)
        return said

    def _study(self, name: str) -> Study:
        return Study.attach(name, store=self._cluster.shared / "gradfleet.db")

    @staticmethod
    def _is_whole(study: Study) -> bool:
        """Whether every trial has every epoch once."""
        epochs = [[record.epoch for record in study.history(trial.number)] for trial in study.trials]
        return study.state == "completed" and epochs == [list(range(1, EPOCHS + 1))] * TRIALS


def main() -> None:
    options = _options()
    if options.client is not None:
        client(options.client)
        return
    with Network() as network, RayHosts(network) as cluster:
        bench = Bench(cluster)
        bench.submission()  # whose workers import everything for the first time
        _submissions([bench.submission() for _ in range(options.submissions)])
        _clients(bench, options.clients)
        _hosts(bench, options.hosts)


def _submissions(found: list[tuple[float, float]]) -> None:
    handles, firsts = zip(*found, strict=True)
    for what, seconds in (("a handle", handles), ("the first trial begins", firsts)):
        print(f"{what}: median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s of {len(seconds)}")


def _clients(bench: Bench, number: int) -> None:
    # A client needs about four seconds to import torch, and two to have its handle.
    found = [bench.killed_client(after) for after in _spread(number, longest=9.0)]
    once = sum(jobs == 1 for jobs, _ in found)
    print(f"clients killed: {number}; exactly one job: {once}; sweeps whole: {sum(whole for _, whole in found)}")


def _hosts(bench: Bench, number: int) -> None:
    found = [bench.lost_host(after) for after in _spread(number, longest=6.0)]
    twice = [epochs for _, epochs in found]
    print(f"hosts killed: {number}; sweeps whole: {sum(whole for whole, _ in found)}; epochs trained twice: {twice}")


def _spread(number: int, *, longest: float) -> list[float]:
    draw: Callable[[], float] = random.Random(0).random
    return [longest * (each + draw()) / number for each in range(number)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=5)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
