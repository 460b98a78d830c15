"""What it saves to prepare images once a sweep: decodes, wall time, and memory, against preparing in every trial.

    python benchmarks/preparation.py [--images 10000] [--side 128] [--trials 8]

Pictures of noise as JPEG files in class folders; trials of one epoch of a very small network, in this process. Decodes
are counted where they happen. `anonymous` is the memory that the process holds beside mapped files, at its largest
during preparation and trials: what is decoded lies in a mapped file and is read from there, so it does not count.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from gradfleet import AutoDataset, AutoModel, Float, Tuner
from gradfleet.tasks import ImagePreparation


@dataclass(frozen=True, slots=True)
class Counted(ImagePreparation):
    """Counts what it decodes."""

    def apply(self, example: Any) -> torch.Tensor:
        next(DECODES)
        return ImagePreparation.apply(self, example)


DECODES = itertools.count()


def small(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    return nn.Sequential(Pooled(), nn.Flatten(), nn.Linear(input_shape[0] * 16, num_outputs))


class Pooled(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(images.float() / 255, 4)


def write_pictures(folder: Path, number: int, side: int) -> None:
    def write(place: int) -> None:
        pixels = np.random.default_rng(place).integers(0, 256, (side // 8, side // 8, 3), dtype="uint8")
        picture = Image.fromarray(pixels).resize((side, side))
        picture.save(folder / str(place % 2) / f"{place}.jpg", quality=85)

    for label in "01":
        (folder / label).mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(number)))


def search(folder: Path, place: Path, *, trials: int) -> None:
    tuner = Tuner()
    tuner.architecture("small", small)
    tuner.add("learning_rate", Float(1e-4, 1e-1, log=True))
    data = AutoDataset(folder, preparation=Counted())
    AutoModel(tuner).fit(
        data, trials=trials, epochs=1, cluster="inline", scheduler="none", store=place / "s.db", progress=False
    )


def once(folder: Path, trials: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        search(folder, Path(place), trials=trials)


def in_every_trial(folder: Path, trials: int) -> None:
    for _ in range(trials):
        once(folder, 1)


def measured(work: Callable[[], None]) -> tuple[int, float, float]:
    """Decodes, seconds, and MB of anonymous memory that came on top."""
    before, started, memory = next(DECODES), time.perf_counter(), _anonymous()
    most, done = [memory], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], _anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return next(DECODES) - before - 1, time.perf_counter() - started, most[0] - memory


def _anonymous() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--trials", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "pictures")
        write_pictures(folder, asked.images, asked.side)
        once(folder, 1)  # imports, and files into the system's cache
        print(f"{asked.images:,} images of {asked.side} pixels, {asked.trials} trials; decoded they are ", end="")
        print(f"{asked.images * 3 * asked.side**2 / 2**20:,.0f} MB")
        print("| | decodes | seconds | anonymous MB |\n|---|---|---|---|")
        for name, way in {"once a sweep": once, "in every trial": in_every_trial}.items():
            decodes, seconds, memory = measured(lambda way=way: way(folder, asked.trials))
            print(f"| {name} | {decodes:,} | {seconds:.1f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
