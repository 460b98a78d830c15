"""What each preset reaches on real data in a fixed time, beside baselines and other searches.

    GRADFLEET_DATA=FOLDER python benchmarks/presets.py [--data trec6 sst2] [--budget 180] [--backbone FOLDER]

Everything has learned from the training rows alone and is measured on the test rows, which nothing was chosen by:
accuracy, macro-F1 for tweeteval_emotion, ROUGE-1 for summaries. A finished cell is kept in build/presets.jsonl, so a
run may be interrupted and goes on where it was. AutoKeras needs `make autokeras`.

    ours          the preset's best model after `budget` seconds
    default       its trial 0, a single model with default settings, as far as the scheduler let it train
    svc, lr       TF-IDF of words and pairs of words with scikit-learn's LinearSVC, and with LogisticRegression; of
                  images their pixels, with SVC
    optuna        plain Optuna driving a hand-written loop over the same architectures, `budget` seconds
    autokeras     AutoKeras 3 on torch, `budget` seconds
    lead-1        the first sentence of a text
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.cells import images, summaries, texts
from benchmarks.cells.kept import Cell, KeptCells, Measure

CASES: dict[str, Mapping[str, Measure]] = {
    **dict.fromkeys(texts.DATA, texts.MEASURED),
    **dict.fromkeys(summaries.DATA, summaries.MEASURED),
    **dict.fromkeys(images.DATA, images.MEASURED),
}
"""What is measured of each data set."""

BESIDE = ("seconds", "trials", "load")
"""Numbers of a cell that are no scores."""

WITH_BACKBONE = ("ours", "extractive", "abstractive")
"""What a pretrained network changes; everything else is the same without one."""

BUILD = Path(__file__).parents[1] / "build" / "presets.jsonl"


def main() -> None:
    asked = _options()
    kept = KeptCells(asked.kept)
    for name in asked.data:
        row: dict[str, float] = {}
        for measured, measure in CASES[name].items():
            if asked.measured and measured not in asked.measured:
                continue
            backbones = [asked.backbone] if asked.backbone and measured in WITH_BACKBONE else []
            cell = Cell(name, measured, asked.budget, Path(asked.backbone).name if backbones else "")
            row |= kept.scores(
                cell, lambda measure=measure, name=name, given=backbones: measure(name, asked.budget, given)
            )
        print(line(name, row), flush=True)


def line(name: str, row: Mapping[str, float]) -> str:
    """A row of the table: the best score bold, what stands beside it in brackets."""
    scores = {column: value for column, value in row.items() if column not in BESIDE}
    best = max(scores.values(), default=0.0)
    told = [f"{column} {'**' * (value == best)}{value:.3f}{'**' * (value == best)}" for column, value in scores.items()]
    beside = ", ".join(f"{row[column]:.0f} {column}" for column in BESIDE if column in row)
    return f"| {name} | {' | '.join(told)} | {beside} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--measured", nargs="+", help="only these, such as ours or linear")
    parser.add_argument("--budget", type=float, default=180.0, help="seconds of a cell")
    parser.add_argument("--backbone", default="", help="a pretrained network's folder")
    parser.add_argument("--kept", type=Path, default=BUILD, help="the file of finished cells")
    return parser.parse_args()


if __name__ == "__main__":
    main()
