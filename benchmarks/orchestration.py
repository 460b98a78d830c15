"""What a trial costs beside its training, and what plain Ray Tune and Optuna take for the same.

    python benchmarks/orchestration.py [--trials 200] [--long 5000] [--repeat 3] [--fresh 5]

A no-op trial reports three records at once. Two workers, a SQLite store, the default sampler. Each row is a process of
its own. Time stamps are taken inside the training function, in the worker's own process: a worker idles from the last
line of one trial to the first line of the next. `cpu` is the time that the driver's process computed, which a loaded
machine does not change; `late` is the mean over the last 200 trials.
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

WORKERS = 2
RECORDS = 3
WARM_UP = 20
"""Trials before the steady part: workers start, libraries are imported, the sampler draws at random."""

LATE = 200


@dataclass(frozen=True)
class Costs:
    """Milliseconds a trial, but for the last two; `overall` includes the start of the workers, but not Ray's.

    Attributes:
        memory: kilobytes that the driver's process grew by a trial, after the first quarter of them.
    """

    overall: float
    steady: float
    late: float
    cpu: float
    idle: float
    idle_p95: float
    memory: float
    processes: float


class Growth:
    """The driver's memory, looked at after each trial."""

    def __init__(self) -> None:
        self._sizes: list[int] = []

    def look(self) -> None:
        import psutil

        self._sizes.append(psutil.Process().memory_info().rss)

    def kilobytes(self) -> float:
        """A trial, from the median of a tenth of them to that of another, so that no single moment decides."""
        tenth = max(1, len(self._sizes) // 10)
        early = self._sizes[len(self._sizes) // 4 :][:tenth]
        grown = statistics.median(self._sizes[-tenth:]) - statistics.median(early)
        return grown / 1024 / max(1, len(self._sizes) * 3 // 4 - tenth)


def main() -> None:
    options = _options()
    if options.one is not None:
        print(json.dumps(asdict(ONE[options.one](options.trials))))
        return
    _header()
    short = [_measured("gradfleet", options.trials) for _ in range(options.repeat)]
    for number, costs in enumerate(short, start=1):
        _row(f"gradfleet, {options.trials} trials, run {number}", costs)
    median = _median(short)
    _row(f"gradfleet, median of {len(short)} runs", median)
    _row(f"gradfleet, {options.trials} trials, random sampler", _measured("random", options.trials))
    _row(f"gradfleet, {options.trials} trials of 90 ms", _measured("working", options.trials))
    _row(f"Ray Tune with reuse, {options.trials} trials", _measured("reuse", options.trials))
    _row(f"Ray Tune as it comes, {options.fresh} trials", _measured("fresh", options.fresh))
    _row(f"Optuna optimize(n_jobs=2), {options.trials} trials", _measured("optuna", options.trials))
    if options.long > options.trials:
        long = _measured("gradfleet", options.long)
        _row(f"gradfleet, {options.long} trials", long)
        ratios = f"{long.overall / median.overall:.2f} overall, {long.cpu / median.cpu:.2f} in CPU time"
        print(f"\nA trial of {options.long} against one of {options.trials}: {ratios}.")


def gradfleet(trials: int, *, seconds: float = 0.0, sampler: str | None = None) -> Costs:
    """A sweep of `trials` trials, its study in a new SQLite file; with the default sampler unless told otherwise."""
    from gradfleet.fleet.cluster import connect
    from gradfleet.fleet.order import Order
    from gradfleet.fleet.settings import SweepSettings
    from gradfleet.fleet.sweep import run_sweep
    from gradfleet.objective import Objective
    from gradfleet.search.space import Entry, Float, SearchSpace
    from gradfleet.study.driving.budget import Budget
    from gradfleet.study.driving.progress import SweepProgress
    from gradfleet.study.storage.rows import TrialState
    from gradfleet.study.storage.store import Store
    from gradfleet.trials.function_recipe import FunctionRecipe

    growth = Growth()

    class Watching(SweepProgress):
        def ended(self, number: int, state: TrialState, reason: str | None) -> None:
            super().ended(number, state, reason)
            growth.look()

    _start_ray()
    connect()
    objective = Objective("score", "max")
    space = SearchSpace((Entry("x", Float(0.0, 1.0)), Entry("y", Float(1e-4, 1.0, log=True))))
    settings = SweepSettings(objective=objective, budget=Budget(trials=trials), epochs=RECORDS, scheduler="none")
    if sampler is not None:
        settings = replace(settings, sampler=sampler)
    with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/gradfleet.db") as store:
        spec = {"objective": {"metric": "score", "mode": "max"}, "space": space.to_json(), "recipe": {}}
        store.create_study("benchmark", spec)
        view = Watching("benchmark", objective, settings.budget, shown=False)
        started, computed = time.time(), time.process_time()
        recipe = FunctionRecipe(_trial(folder, seconds=seconds))
        order = Order(study="benchmark", recipe=recipe, space=space, settings=settings, data=None, started=started)
        run_sweep(order, settings.executor(), store=store, view=view)
        return _costs(folder, seconds=time.time() - started, cpu=time.process_time() - computed, growth=growth)


def plain_tune(trials: int, *, reuse: bool) -> Costs:
    """The same trials as a user of Ray Tune would run them: nothing stored, no sampler."""
    import logging

    from ray import tune

    growth = Growth()

    class Watching(tune.Callback):
        def on_trial_complete(self, *_: Any, **__: Any) -> None:
            growth.look()

    _start_ray()
    with tempfile.TemporaryDirectory() as folder:
        no_op = _trial(folder)
        tuner = tune.Tuner(
            lambda config: no_op(config, tune.report),
            param_space={"x": tune.uniform(0.0, 1.0), "y": tune.loguniform(1e-4, 1.0)},
            tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=f"{folder}/results", verbose=0, callbacks=[Watching()]),
        )
        logging.getLogger("ray").setLevel(logging.ERROR)
        started, computed = time.time(), time.process_time()
        tuner.fit()
        return _costs(folder, seconds=time.time() - started, cpu=time.process_time() - computed, growth=growth)


def plain_optuna(trials: int) -> Costs:
    """The same trials in two threads of one process, in a SQLite file, with Optuna's own sampler."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    growth = Growth()
    with tempfile.TemporaryDirectory() as folder:
        no_op = _trial(folder, by_thread=True)

        def objective(trial: optuna.Trial) -> float:
            config = {"x": trial.suggest_float("x", 0.0, 1.0), "y": trial.suggest_float("y", 1e-4, 1.0, log=True)}
            scores: list[float] = []

            def report(metrics: dict[str, float]) -> None:
                scores.append(metrics["score"])
                trial.report(scores[-1], len(scores))

            no_op(config, report)
            growth.look()
            return scores[-1]

        study = optuna.create_study(storage=f"sqlite:///{folder}/optuna.db", direction="maximize")
        started, computed = time.time(), time.process_time()
        study.optimize(objective, n_trials=trials, n_jobs=WORKERS)
        return _costs(folder, seconds=time.time() - started, cpu=time.process_time() - computed, growth=growth)


ONE: dict[str, Callable[[int], Costs]] = {
    "gradfleet": gradfleet,
    "random": lambda trials: gradfleet(trials, sampler="random"),
    "working": lambda trials: gradfleet(trials, seconds=0.09),
    "reuse": lambda trials: plain_tune(trials, reuse=True),
    "fresh": lambda trials: plain_tune(trials, reuse=False),
    "optuna": plain_optuna,
}


def _trial(folder: str, *, seconds: float = 0.0, by_thread: bool = False) -> Callable[..., None]:
    def train(config: dict[str, Any], report: Callable[[dict[str, float]], None]) -> None:
        import os
        import threading
        import time

        begun = time.time()
        for _ in range(RECORDS):
            time.sleep(seconds / RECORDS)
            report({"score": config["x"] - config["y"]})
        worker = threading.get_ident() if by_thread else os.getpid()
        with open(f"{folder}/{worker}.stamps", "a") as stamps:
            stamps.write(f"{begun} {time.time()}\n")

    return train


def _start_ray() -> None:
    import logging

    import ray

    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    ray.init(
        address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )


def _costs(folder: str, *, seconds: float, cpu: float, growth: Growth) -> Costs:
    by_process = [_stamps(file) for file in Path(folder).glob("*.stamps")]
    idle = sorted(1000 * (after[0] - before[1]) for one in by_process for before, after in itertools.pairwise(one))
    every = sorted(stamp for one in by_process for stamp in one)
    warm_up = min(WARM_UP, len(every) // 2)
    return Costs(
        overall=1000 * seconds / len(every),
        steady=_mean(every[warm_up:]),
        late=_mean(every[-LATE:]),
        cpu=1000 * cpu / len(every),
        idle=statistics.median(idle) if idle else float("nan"),
        idle_p95=idle[int(0.95 * len(idle))] if idle else float("nan"),
        memory=growth.kilobytes(),
        processes=len(by_process),
    )


def _mean(stamps: Sequence[tuple[float, float]]) -> float:
    return 1000 * (max(ended for _, ended in stamps) - stamps[0][0]) / len(stamps)


def _stamps(file: Path) -> list[tuple[float, float]]:
    lines = (line.split() for line in file.read_text().splitlines())
    return sorted((float(begun), float(ended)) for begun, ended in lines)


def _measured(one: str, trials: int) -> Costs:
    command = [sys.executable, __file__, "--one", one, "--trials", str(trials)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return Costs(**json.loads(done.stdout.splitlines()[-1]))


def _median(runs: Iterable[Costs]) -> Costs:
    columns = zip(*(asdict(run).values() for run in runs), strict=True)
    return Costs(*(statistics.median(column) for column in columns))


def _header() -> None:
    names = ("a trial", "steady", "late", "cpu", "idle", "p95", "kB", "workers")
    print(f"{'milliseconds, kilobytes':<44}" + "".join(f"{name:>9}" for name in names))


def _row(name: str, costs: Costs) -> None:
    print(f"{name:<44}" + "".join(f"{number:>9.1f}" for number in asdict(costs).values()), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--long", type=int, default=5000, help="0 leaves the long sweep out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--fresh", type=int, default=5)
    parser.add_argument("--one", choices=list(ONE), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
