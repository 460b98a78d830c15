"""Two sweeps at a time, whose trials need two processes, on a Ray of two hosts with one core each; writes JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from gradfleet.study.driving.budget import Budget
from gradfleet.study.study import Study
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.resources import Resources
from tests.fleet.conftest import sweeper


def recipe(folder: Path) -> FunctionRecipe:
    def train(config: dict[str, Any], report: Any) -> None:
        import ray
        from torch import distributed

        if not distributed.is_initialized():
            distributed.init_process_group("gloo")
        hosts: list[Any] = [None, None]
        distributed.all_gather_object(hosts, ray.get_runtime_context().get_node_id())
        if os.environ["RANK"] == "0":
            (folder / f"{config['x']}.json").write_text(json.dumps(hosts))
        report({"score": config["x"], "rank": float(os.environ["RANK"])})

    return FunctionRecipe(train)


def main(folder: Path) -> None:
    cluster = Cluster()
    cluster.add_node(num_cpus=0, include_dashboard=False)
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    cluster.wait_for_nodes()
    run, studies = sweeper(folder / "gradfleet.db"), dict[str, Study]()

    def search(name: str, seed: int) -> None:
        resources = Resources(cpu=1, gpu=0, workers=2)
        budget = Budget(trials=2)
        studies[name] = run(recipe(folder), name=name, budget=budget, epochs=1, resources=resources, seed=seed)

    both = [threading.Thread(target=search, args=one) for one in (("first", 1), ("second", 2))]
    for one in both:
        one.start()
    for one in both:
        one.join()
    found = {
        "states": {name: [trial.state for trial in studies[name].trials] for name in sorted(studies)},
        "hosts": [json.loads(file.read_text()) for file in folder.glob("*.json")],
        "ranks": [study.trial(number).metrics["rank"] for study in studies.values() for number in range(2)],
    }
    ray.shutdown()
    cluster.shutdown()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
