"""What a trial costs beside its training: no-op trials on two warm workers, and the same under plain Ray Tune.

    python benchmarks/orchestration.py [--trials 200] [--plain-trials 10] [--repeat 3]

A no-op trial reports three records at once. Time stamps are taken inside the training function, in the worker's own
process: a worker idles from the last line of one trial to the first line of the next.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = 2
RECORDS = 3
WARM_UP = 20
"""Trials before the steady part: workers start, libraries are imported, the sampler draws at random."""


@dataclass(frozen=True)
class Costs:
    """Milliseconds; `overall` includes the start of the workers, but not Ray's."""

    overall: float
    steady: float
    idle: float
    idle_p95: float
    processes: int


def main() -> None:
    options = _options()
    if options.plain is not None:
        print(json.dumps(_plain_tune(options.plain_trials, reuse=options.plain == "reuse")))
        return
    runs = [measure(options.trials) for _ in range(options.repeat)]
    _header()
    for number, costs in enumerate(runs, start=1):
        _row(f"gradfleet, {options.trials} trials, run {number}", costs)
    _row(f"gradfleet, median of {len(runs)} runs", _median(runs))
    _row(f"Ray Tune with reuse, {options.trials} trials", _in_fresh_process("reuse", options.trials))
    _row(f"Ray Tune without reuse, {options.plain_trials} trials", _in_fresh_process("fresh", options.plain_trials))


def measure(trials: int) -> Costs:
    """A sweep of `trials` no-op trials with the default sampler, its study in a new SQLite file."""
    from gradfleet.fleet.cluster import connect
    from gradfleet.fleet.sweep import SweepSettings, run_sweep
    from gradfleet.objective import Objective
    from gradfleet.search.space import Entry, Float, SearchSpace
    from gradfleet.study.budget import Budget
    from gradfleet.study.progress import SweepProgress
    from gradfleet.study.store import Store
    from gradfleet.trials.function_recipe import FunctionRecipe

    _start_ray()
    connect()
    objective = Objective("score", "max")
    space = SearchSpace((Entry("x", Float(0.0, 1.0)), Entry("y", Float(1e-4, 1.0, log=True))))
    settings = SweepSettings(objective=objective, budget=Budget(trials=trials), epochs=RECORDS, scheduler="none")
    with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/gradfleet.db") as store:
        spec = {"objective": {"metric": "score", "mode": "max"}, "space": space.to_json(), "recipe": {}}
        study = store.create_study("benchmark", spec)
        view = SweepProgress("benchmark", objective, settings.budget, shown=False)
        started = time.time()
        run_sweep(
            FunctionRecipe(_no_op(folder)),
            space,
            settings,
            settings.executor(),
            store=store,
            study=study,
            data=None,
            started=started,
            view=view,
        )
        return _costs(folder, seconds=time.time() - started)


def _no_op(folder: str) -> Callable[..., None]:
    def train(config: dict[str, Any], report: Callable[[dict[str, float]], None]) -> None:
        import os
        import time

        begun = time.time()
        for _ in range(RECORDS):
            report({"score": config["x"] - config["y"]})
        with open(f"{folder}/{os.getpid()}.stamps", "a") as stamps:
            stamps.write(f"{begun} {time.time()}\n")

    return train


def _plain_tune(trials: int, *, reuse: bool) -> dict[str, float]:
    """The same trials as a user of Ray Tune would run them."""
    import logging

    from ray import tune

    _start_ray()
    with tempfile.TemporaryDirectory() as folder:
        no_op = _no_op(folder)
        tuner = tune.Tuner(
            lambda config: no_op(config, tune.report),
            param_space={"x": tune.uniform(0.0, 1.0), "y": tune.loguniform(1e-4, 1.0)},
            tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=f"{folder}/results", verbose=0),
        )
        logging.getLogger("ray").setLevel(logging.ERROR)
        started = time.time()
        tuner.fit()
        return vars(_costs(folder, seconds=time.time() - started))


def _start_ray() -> None:
    import logging

    import ray

    if not ray.is_initialized():
        os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
        ray.init(
            address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
        )


def _costs(folder: str, *, seconds: float) -> Costs:
    by_process = [_stamps(file) for file in Path(folder).glob("*.stamps")]
    idle = [1000 * (after[0] - before[1]) for one in by_process for before, after in itertools.pairwise(one)]
    every = sorted(stamp for one in by_process for stamp in one)
    warm_up = min(WARM_UP, len(every) // 2)
    steady = 1000 * (every[-1][1] - every[warm_up][0]) / (len(every) - warm_up)
    return Costs(
        overall=1000 * seconds / len(every),
        steady=steady,
        idle=statistics.median(idle) if idle else float("nan"),
        idle_p95=sorted(idle)[int(0.95 * len(idle))] if idle else float("nan"),
        processes=len(by_process),
    )


def _stamps(file: Path) -> list[tuple[float, float]]:
    lines = (line.split() for line in file.read_text().splitlines())
    return sorted((float(begun), float(ended)) for begun, ended in lines)


def _in_fresh_process(kind: str, trials: int) -> Costs:
    """Plain Ray Tune without the environment that gradfleet sets for its own driver."""
    command = [sys.executable, __file__, "--plain", kind, "--plain-trials", str(trials)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return Costs(**json.loads(done.stdout.splitlines()[-1]))


def _median(runs: Iterable[Costs]) -> Costs:
    columns = zip(*(vars(run).values() for run in runs), strict=True)
    return Costs(*(statistics.median(column) for column in columns))


def _header() -> None:
    print(f"{'milliseconds':<42}{'a trial':>9}{'steady':>9}{'idle':>9}{'p95':>9}{'processes':>11}")


def _row(name: str, costs: Costs) -> None:
    print(
        f"{name:<42}{costs.overall:>9.1f}{costs.steady:>9.1f}{costs.idle:>9.1f}{costs.idle_p95:>9.1f}"
        f"{costs.processes:>11.0f}",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--plain-trials", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--plain", choices=["fresh", "reuse"], help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
