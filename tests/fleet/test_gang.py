"""Trials that several processes train together."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet import AutoModel, Float, Objective, Resources, Tuner
from gradfleet.errors import ClusterError, SettingError
from gradfleet.fleet.cluster import Cluster, Node
from gradfleet.study.driving.budget import Budget
from gradfleet.trials.function_recipe import FunctionRecipe
from tests.fleet.conftest import Sweep

TWO = Resources(cpu=1, workers=2)


def small(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(input_shape[0], 8), nn.Tanh(), nn.Linear(8, num_outputs))


def searched(folder: Path, resources: Resources, *, cluster: str | None = None, strategy: Any = "ddp") -> Any:
    tuner = Tuner()
    tuner.architecture("small", small)
    tuner.optimizer("sgd", learning_rate=Float(0.05, 0.5, log=True))
    inputs = torch.randn(71, 4, generator=torch.Generator().manual_seed(1))  # the last batch has an odd number of rows
    model = AutoModel(tuner, objective=Objective("val_accuracy", "max"))
    return model.compile(loss="cross_entropy", metrics=["accuracy", "f1"], batch_size=16, strategy=strategy).fit(
        (inputs, (inputs[:, 0] > 0).long()),
        trials=3,
        epochs=2,
        scheduler="none",
        resources=resources,
        cluster=cluster,
        name=f"{strategy}-of-{resources.workers}",
        store=folder / "gradfleet.db",
        progress=False,
        warm_start=False,
    )


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.row("DI7")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_trial_of_two_processes_has_the_metrics_of_one(two_cores: None, tmp_path: Path, strategy: str) -> None:
    alone, together = searched(tmp_path, Resources(), cluster="inline"), searched(tmp_path, TWO, strategy=strategy)
    timed = {"train_seconds", "latency_ms"}
    for number in range(3):
        one, other = alone.trial(number).metrics, together.trial(number).metrics
        assert one.keys() == other.keys()
        for name in one.keys() - timed:
            assert one[name] == pytest.approx(other[name], rel=1e-4), name
    assert [trial.state for trial in together.trials] == ["COMPLETE"] * 3
    inputs = torch.randn(71, 4, generator=torch.Generator().manual_seed(1))
    predicted = [study.best.model().predict_proba(inputs) for study in (alone, together)]
    assert predicted[1] == pytest.approx(predicted[0], abs=1e-4), "its checkpoint is a whole one, on one process"


@pytest.mark.ray
@pytest.mark.slow
def test_when_one_process_fails_or_dies_the_gang_is_made_anew(sweep: Sweep, tmp_path: Path) -> None:
    """Trial 1 raises in its second process while the first one waits; the second process of trial 2 dies once."""
    log = tmp_path / "log"

    def train(config: dict[str, Any], report: Any) -> None:
        from torch import distributed

        rank = int(os.environ["RANK"])
        if not distributed.is_initialized():
            distributed.init_process_group("gloo")
        number = len(log.read_text().splitlines()) // 2 if log.exists() else 0
        distributed.barrier()
        with log.open("a") as file:
            file.write(f"{rank} {os.getpid()}\n")
        distributed.barrier()
        if rank == 1 and number == 1:
            raise ArithmeticError("the second one has failed")
        if rank == 1 and number == 2:
            os._exit(1)
        distributed.barrier()
        report({"score": config["x"], "rank": float(rank)})

    study = sweep(
        FunctionRecipe(train), name="gang", budget=Budget(trials=4), epochs=1, resources=TWO, retry_failed=False
    )
    assert [trial.state for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert "the second one has failed" in (study.trials[1].traceback or "")
    assert [study.trial(number).metrics["rank"] for number in (0, 2, 3)] == [0.0] * 3
    processes = Counter(line.split()[1] for line in log.read_text().splitlines())
    assert sorted(processes.values()) == [1, 1, 2, 2, 2, 2], "a gang stays for the next trial while it is whole"


@pytest.mark.row("SE7")
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            Resources(cpu=2, gpu=0),
            "A trial asks for 2 cpu and 0 gpu on one host, but none of the cluster's 2 hosts has that; the largest has "
            "1 cpu and 0 gpu. Ask for less with resources=Resources(...).",
        ),
        (
            Resources(cpu=1, gpu=1),
            "A trial asks for 1 cpu and 1 gpu, but the cluster has 2 cpu and 0 gpu in all. Ask for less with "
            "resources=Resources(...).",
        ),
        (
            Resources(cpu=1, gpu=0, workers=3),
            "A trial asks for 3 workers of 1 cpu and 0 gpu each, but the cluster holds 2 of them. Ask for less with "
            "resources=Resources(...).",
        ),
    ],
)
def test_what_a_cluster_can_never_give_is_refused_with_the_numbers(asked: Resources, message: str) -> None:
    with pytest.raises(ClusterError, match=re.escape(message)):
        Cluster((Node(1, 0), Node(1, 0))).workers(asked)


def test_as_many_gangs_run_as_whole_ones_fit() -> None:
    cluster = Cluster((Node(1, 0), Node(3, 0), Node(0, 0)))
    assert cluster.workers(Resources(cpu=1, gpu=0, workers=2)) == 2
    assert cluster.workers(Resources(cpu=1.5, gpu=0, workers=2)) == 1


def test_a_gang_needs_a_cluster_and_a_worker() -> None:
    with pytest.raises(SettingError, match="A trial has at least 1 worker, got workers=0."):
        Resources(workers=0)
    with pytest.raises(SettingError, match=r"take whole devices, got gpu=0.5 and workers=2: NCCL refuses two of them"):
        Resources(gpu=0.5, workers=2)
    model = AutoModel.from_function(lambda config, report: None, {"x": Float(0, 1)}, Objective("score", "max"))
    with pytest.raises(SettingError, match="cluster='inline' is one process, so workers is 1; got 2."):
        model.fit(trials=1, resources=TWO, cluster="inline")
