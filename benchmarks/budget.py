"""Whether a time budget is kept: sweeps on Ray, from the call of `fit` to its return, and their forecasts.

    python benchmarks/budget.py [--sweeps 20] [--seconds 30]

Networks of very different sizes learn the same digits, so that trials of all lengths run when the time is over. A
sweep may take 5% or 2 s longer than its budget, whichever is more. Each sweep is a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from typing import Any


def main() -> None:
    options = _options()
    if options.seed is not None:
        print(json.dumps(one(options.seconds, options.seed)))
        return
    print(
        "| sweep | took, s | over by, s | trials | forecast | best val_accuracy |\n|---|---|---|---|---|---|",
        flush=True,
    )
    late, without, right, told = 0, 0, 0, 0
    for seed in range(options.sweeps):
        outcome, forecast = _in_fresh_process(options.seconds, seed)
        over = outcome["took"] - options.seconds
        late += over > max(2.0, 0.05 * options.seconds)
        without += outcome["best"] is None
        told += forecast is not None
        right += forecast is not None and forecast[0] <= outcome["trials"] <= forecast[1]
        said = "none" if forecast is None else f"{forecast[0]}-{forecast[1]}"
        best = "none" if outcome["best"] is None else f"{outcome['best']:.4f}"
        columns = (seed, f"{outcome['took']:.2f}", f"{over:.2f}", outcome["trials"], said, best)
        print(f"| {' | '.join(map(str, columns))} |", flush=True)
    print(
        f"\n{late} of {options.sweeps} sweeps took too long, {without} ended without a model; "
        f"{right} of {told} forecasts were right."
    )
    sys.exit(bool(late or without))


def one(seconds: float, seed: int) -> dict[str, Any]:
    """One sweep in this process."""
    from sklearn.datasets import load_digits
    from torch import nn

    from gradfleet import AutoModel, Float, Int, Study, Tuner
    from gradfleet.errors import NoUsableTrialError

    def mlp(input_shape: tuple[int, ...], num_outputs: int, *, width: int = 64, depth: int = 1) -> nn.Module:
        sizes = [*input_shape, *[width] * depth]
        hidden = [layer for sizes in itertools.pairwise(sizes) for layer in (nn.Linear(*sizes), nn.ReLU())]
        return nn.Sequential(*hidden, nn.Linear(width, num_outputs))

    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Int(16, 2048, log=True), depth=Int(1, 4))
    tuner.optimizer("adamw", learning_rate=Float(1e-4, 1e-1, log=True))
    pixels, digits = load_digits(return_X_y=True)
    data = (pixels / 16).astype("float32"), digits
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        try:
            AutoModel(tuner).fit(data, budget=seconds, epochs=9, seed=seed, name="digits", store=f"{folder}/budget.db")
        except NoUsableTrialError as error:  # a machine under such load that nothing could begin
            print(error, file=sys.stderr)
        took = time.perf_counter() - started
        study = Study.attach("digits", store=f"{folder}/budget.db")
        usable = any(trial.value is not None and trial.state != "FAIL" for trial in study.trials)
        return {"took": took, "trials": len(study.trials), "best": study.best.value if usable else None}


def _in_fresh_process(seconds: float, seed: int) -> tuple[dict[str, Any], tuple[int, int] | None]:
    command = [sys.executable, __file__, "--seconds", str(seconds), "--seed", str(seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found = re.search(r"Forecast: about (\d+)(?:-(\d+))? trials", done.stderr)
    forecast = None if found is None else (int(found[1]), int(found[2] or found[1]))
    return json.loads(done.stdout.splitlines()[-1]), forecast


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, help="run this one sweep here and print what it came to as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
