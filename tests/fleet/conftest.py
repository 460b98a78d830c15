"""One Ray of two cores for all tests here, and sweeps on it."""

from __future__ import annotations

import gc
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from gradfleet.fleet.order import Order
from gradfleet.fleet.quiet import quiet_ray
from gradfleet.fleet.settings import SweepSettings
from gradfleet.fleet.sharing import Part
from gradfleet.fleet.sweep import run_sweep
from gradfleet.objective import Objective
from gradfleet.search.space import Entry, Float, SearchSpace
from gradfleet.study.driving.budget import Budget
from gradfleet.study.driving.progress import SweepProgress
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.trials.recipe import Recipe

SCORE = Objective("score", "max")
SPACE = SearchSpace((Entry("x", Float(0.0, 1.0)), Entry("y", Float(1e-4, 1.0, log=True))))


class Sweep(Protocol):
    """Runs a sweep of a recipe in the test's own store; again with the same name goes on with it."""

    def __call__(
        self,
        recipe: Recipe,
        *,
        name: str = "sweep",
        budget: Budget | None = None,
        shown: bool = False,
        part: Callable[[], Part] = Part,
        **settings: Any,
    ) -> Study: ...


@pytest.fixture(scope="session")
def two_cores() -> Iterator[None]:
    """A Ray of this process with two cores, whatever the machine has."""
    import ray

    end_ray()  # of a fit in an earlier test: it lives as long as its process
    folder = tempfile.mkdtemp(prefix="gf-ray-")  # Ray's sockets need short paths
    with quiet_ray():
        ray.init(
            address="local",
            num_cpus=2,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            _temp_dir=folder,
        )
    yield
    end_ray()
    shutil.rmtree(folder, ignore_errors=True)


def end_ray() -> None:
    """End the Ray of this process, if there is one; of some of its processes it never hears that they have ended."""
    import ray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        ray.shutdown()
        gc.collect()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a module's sweeps."""
    return tmp_path_factory.mktemp("fleet") / "gradfleet.db"


@pytest.fixture(scope="module")
def sweep(two_cores: None, file: Path) -> Sweep:
    return sweeper(file)


def sweeper(file: Path) -> Sweep:
    def run(
        recipe: Recipe,
        *,
        name: str = "sweep",
        budget: Budget | None = None,
        shown: bool = False,
        part: Callable[[], Part] = Part,
        **settings: Any,
    ) -> Study:
        started = time.time()
        given = {"objective": SCORE, "epochs": 3, "scheduler": "none", "sampler": "random", **settings}
        chosen = SweepSettings(budget=budget or Budget(trials=6), **given)
        spec = {"objective": {"metric": "score", "mode": "max"}, "space": SPACE.to_json(), "recipe": {}}
        store = Store.open(file)
        if name not in (study.name for study in store.studies()):
            store.create_study(name, spec, seed=chosen.seed)
        order = Order(study=name, recipe=recipe, space=SPACE, settings=chosen, data=None, started=started)
        view = SweepProgress(name, SCORE, chosen.budget, shown=shown)
        return run_sweep(order, chosen.executor(part=part), store=store, view=view)

    return run
