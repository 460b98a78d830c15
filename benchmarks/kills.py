"""Whether anything is lost when processes are killed: drivers at random moments, and workers of one sweep.

    python benchmarks/kills.py [--kills 50] [--trials 40] [--worker-kills 20] [--worker-trials 100] [--seed 0]

Trials of 0.9 s, 9 epochs with a checkpoint each, two at a time on Ray. A driver gets SIGKILL at a random moment of its
life, be it before its first trial; the next one goes on with the study. A life's time counts from the first epoch that
its workers begin, so that starts of Python, Ray and workers are left out. Exits with 1 when a result is missing, comes
twice, or is another than in the sweep that nobody disturbs.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCHS = 9
SECONDS = 0.1
PATIENCE = 300.0


def main() -> None:
    options = _options()
    if options.drive is not None:
        drive(options.drive, options.trials)
        return
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="gf-") as name:
        folder = Path(name)
        calm = Site(folder / "calm", options.trials)
        calm.run()
        print(
            "| what | killed | trials complete | otherwise | lost or doubled epochs | time | against calm |", flush=True
        )
        print("|---|---|---|---|---|---|---|", flush=True)
        fine = _row("nobody", 0, calm, calm)
        killed = Site(folder / "killed", options.trials)
        deaths = kill_drivers(killed, moments, kills=options.kills, calm=calm.seconds)
        fine &= _row("drivers", deaths, killed, calm)
        crowd = Site(folder / "workers", options.worker_trials)
        deaths = kill_workers(crowd, moments, kills=options.worker_kills)
        fine &= _row("workers", deaths, crowd, calm)
    sys.exit(not fine)


@dataclass
class Site:
    """Where one sweep is driven, by one driver or many.

    Attributes:
        seconds: of all lives together, each from the first epoch that was begun in it.
    """

    folder: Path
    trials: int
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, __file__, "--drive", str(self.folder), "--trials", str(self.trials)]
        with (self.folder / "driver.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)

    def run(self, disturb: Callable[[subprocess.Popen[bytes]], None] = lambda process: None) -> None:
        """One life: to the end, unless `disturb` ends it."""
        before = len(self.stamps())
        process = self.start()
        disturb(process)
        process.wait(timeout=PATIENCE)
        ended = time.time()
        begun = self.stamps()[before:]
        self.seconds += ended - begun[0][2] if begun else 0.0
        if process.returncode not in (0, -signal.SIGKILL):
            sys.exit((self.folder / "driver.log").read_text())

    def stamps(self) -> list[tuple[float, int, float]]:
        """Every epoch that was begun: the trial's configuration, the process, Unix seconds."""
        file = self.folder / "epochs"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(float(x), int(process), float(moment)) for x, process, moment in map(str.split, lines)]

    def study(self) -> Any:
        from gradfleet import Study

        return Study.attach("kills", store=self.folder / "gradfleet.db")

    def results(self) -> dict[int, tuple[str, dict[str, Any], list[tuple[int, float]]]]:
        study = self.study()
        return {
            row.number: (row.state, dict(row.config), [(one.epoch, one["score"]) for one in study.history(row.number)])
            for row in study.trials
        }


def drive(folder: Path, trials: int) -> None:
    """One driver of the sweep."""
    import ray

    from gradfleet import AutoModel, Float, Objective

    def train(config: dict[str, Any], report: Any) -> None:
        resumed = report.resume()
        done = 0 if resumed is None else int((resumed / "epoch").read_text())
        for epoch in range(done + 1, EPOCHS + 1):
            with (folder / "epochs").open("a") as stamps:
                stamps.write(f"{config['x']} {os.getpid()} {time.time()}\n")
            time.sleep(SECONDS)
            with tempfile.TemporaryDirectory() as place:
                Path(place, "epoch").write_text(str(epoch))
                report({"score": config["x"] * epoch}, epoch=epoch, checkpoint=place)

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    settings: dict[str, Any] = {
        "sampler": "random",
        "scheduler": "none",
        "keep": 1,
        "progress": False,
        "warm_start": False,
    }
    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
    model.fit(trials=trials, epochs=EPOCHS, name="kills", store=folder / "gradfleet.db", resume=True, **settings)


def kill_drivers(site: Site, moments: random.Random, *, kills: int, calm: float) -> int:
    """Kill driver after driver, then let one come to the end; how many were killed."""
    share = calm / max(kills, 1)

    def disturb(process: subprocess.Popen[bytes]) -> None:
        if moments.random() < 0.25:  # at any moment, most of them before the first trial
            time.sleep(moments.uniform(0.0, 8.0))
        else:
            before, deadline = len(site.stamps()), time.monotonic() + PATIENCE
            while len(site.stamps()) == before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 2 * share))
        os.kill(process.pid, signal.SIGKILL)

    for _ in range(kills):
        site.run(disturb)
    site.run()
    return kills


def kill_workers(site: Site, moments: random.Random, *, kills: int) -> int:
    """Kill that many workers of one sweep at random moments; how many there were in time."""
    killed: set[int] = set()

    def disturb(process: subprocess.Popen[bytes]) -> None:
        trial = EPOCHS * SECONDS
        while len(killed) < kills and process.poll() is None:
            time.sleep(moments.uniform(0.0, trial * site.trials / kills))
            at_work = {worker for _, worker, moment in site.stamps() if time.time() - moment < 3 * SECONDS} - killed
            if at_work:
                killed.add(victim := moments.choice(sorted(at_work)))
                os.kill(victim, signal.SIGKILL)

    site.run(disturb)
    return len(killed)


def _row(what: str, kills: int, site: Site, calm: Site) -> bool:
    """Print what came of a sweep; whether all of it is there, and the same as undisturbed."""
    found, expected = site.results(), calm.results()
    complete = sum(state == "COMPLETE" for state, *_ in found.values())
    otherwise = ", ".join(sorted({state for state, *_ in found.values()} - {"COMPLETE"})) or "none"
    every_epoch = list(range(1, EPOCHS + 1))
    wrong = sum([epoch for epoch, _ in history] != every_epoch for *_, history in found.values())
    same = all(found[number][1:] == result[1:] for number, result in expected.items() if number in found)
    factor = site.seconds / site.trials / (calm.seconds / calm.trials)
    columns = (what, kills, f"{complete} of {site.trials}", otherwise, wrong, f"{site.seconds:.1f} s", f"{factor:.2f}")
    print(f"| {' | '.join(map(str, columns))} |", flush=True)
    return complete == site.trials == len(found) and not wrong and same


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--worker-kills", type=int, default=20)
    parser.add_argument("--worker-trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
