"""Two sweeps on a Ray that believes in two GPUs: prints what each trial saw of them, and when."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray

from gradfleet import AutoModel, Float, Objective, Resources

GPUS = 2
TRIALS = 8


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gf-") as folder:  # Ray's sockets need short paths
        ray.init(
            address="local",
            num_cpus=4,
            num_gpus=GPUS,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=folder,
        )
        sys.stdout.write(json.dumps({str(gpu): sweep(gpu, Path(folder)) for gpu in (1.0, 0.5)}))
        ray.shutdown()


def sweep(gpu: float, folder: Path) -> list[dict[str, Any]]:
    seen = folder / f"seen-{gpu}"
    seen.mkdir()

    def train(config: dict[str, Any], report: Callable[..., None]) -> None:
        begun = time.time()
        (seen / f"{config['x']}.begun").touch()
        while len(list(seen.glob("*.begun"))) < GPUS / gpu and time.time() < begun + 60:  # until all workers are there
            time.sleep(0.05)
        time.sleep(0.3)
        told = {"device": os.environ["CUDA_VISIBLE_DEVICES"], "begun": begun, "ended": time.time()}
        (seen / f"{config['x']}.json").write_text(json.dumps(told))
        report({"score": config["x"]})

    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
    place = {"store": folder / "g.db", "name": f"gpu-{gpu}", "progress": False}
    model.fit(trials=TRIALS, epochs=1, resources=Resources(cpu=1, gpu=gpu), sampler="random", **place)
    return [json.loads(file.read_text()) for file in seen.glob("*.json")]


if __name__ == "__main__":
    main()
