"""What a preset reaches on real data in a fixed time, beside a linear baseline, its default and a search by hand.

    GRADFLEET_DATA=FOLDER python benchmarks/presets.py [--data trec6 sst2] [--budget 180] [--backbone FOLDER]

Every column has learned from the training rows alone and is measured on the test rows, which nothing was chosen by:
accuracy, or macro-F1 for tweeteval_emotion. A finished cell is kept in build/presets.jsonl, so a run may be interrupted
and goes on where it was.

    ours      the best model of AutoTextClassifier after `budget` seconds
    default   its trial 0, a single network with default settings
    linear    TF-IDF of words and pairs of words with scikit-learn's LinearSVC, and with LogisticRegression
    optuna    plain Optuna driving a hand-written loop over the bag and the convolutional net, `budget` seconds
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas
from by_hand import searched_by_hand
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from autotasks import AutoTextClassifier

DATA = ("trec6", "sst2", "ag_news_7600", "banking77", "tweeteval_emotion")
MACRO_F1 = ("tweeteval_emotion",)
BUILD = Path(__file__).parents[1] / "build" / "presets.jsonl"

Parts = dict[str, pandas.DataFrame]
Scores = dict[str, float]


def read(name: str) -> Parts:
    """The table of each part; of what is held out for choosing there may be none."""
    table = pandas.read_csv(Path(os.environ["GRADFLEET_DATA"], f"{name}.csv.gz"))[["split", "text", "label"]]
    return {str(part): rows.drop(columns="split").reset_index(drop=True) for part, rows in table.groupby("split")}


def score(name: str, truth: pandas.Series, found: list[str]) -> float:
    truth, found = truth.astype(str), [str(one) for one in found]
    return float(f1_score(truth, found, average="macro") if name in MACRO_F1 else accuracy_score(truth, found))


def ours(name: str, parts: Parts, budget: float, backbones: list[str]) -> Scores:
    given = {"train": parts["train"]} | ({"validation": parts["dev"]} if "dev" in parts else {})
    with tempfile.TemporaryDirectory() as place:
        classifier = AutoTextClassifier(given, backbones=backbones)
        started = time.perf_counter()
        classifier.fit(budget=budget, store=Path(place, "study.db"), progress=False)
        took = time.perf_counter() - started
        texts, truth = parts["test"]["text"].tolist(), parts["test"]["label"]
        scores = {"ours": score(name, truth, classifier.predict(texts)), "seconds": took}
        scores["trials"] = len(classifier.study.trials)
        if classifier.study.trial(0).checkpoint is not None:
            scores["default"] = score(name, truth, classifier.study.trial(0).model().predict(texts))
        return scores


def linear(name: str, parts: Parts, budget: float, backbones: list[str]) -> Scores:
    del budget, backbones
    scores = {}
    for column, classifier in {"svc": LinearSVC(), "lr": LogisticRegression(C=10, max_iter=300)}.items():
        pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), classifier)
        pipeline.fit(parts["train"]["text"], parts["train"]["label"])
        scores[column] = score(name, parts["test"]["label"], pipeline.predict(parts["test"]["text"]).tolist())
    return scores


def optuna(name: str, parts: Parts, budget: float, backbones: list[str]) -> Scores:
    del backbones
    return {"optuna": score(name, parts["test"]["label"], searched_by_hand(parts, budget))}


COLUMNS: dict[str, Callable[[str, Parts, float, list[str]], Scores]] = {
    "linear": linear,
    "ours": ours,
    "optuna": optuna,
}


def finished() -> dict[tuple[str, str, float, str], Scores]:
    if not BUILD.exists():
        return {}
    cells = [json.loads(line) for line in BUILD.read_text(encoding="utf-8").splitlines()]
    return {(one["data"], one["column"], one["budget"], one["backbone"]): one["scores"] for one in cells}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--budget", type=float, default=180.0, help="seconds of a cell")
    parser.add_argument("--backbone", default="", help="a pretrained encoder's folder")
    asked = parser.parse_args()
    backbones = [asked.backbone] if asked.backbone else []
    BUILD.parent.mkdir(exist_ok=True)
    for name in asked.data:
        parts, row = read(name), {}
        for column, measure in COLUMNS.items():
            key = name, column, asked.budget, Path(asked.backbone).parent.name if column == "ours" else ""
            if key not in finished():
                scores = measure(name, parts, asked.budget, backbones)
                cell = dict(zip(("data", "column", "budget", "backbone"), key, strict=True)) | {"scores": scores}
                with BUILD.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(cell) + "\n")
            row |= finished()[key]
        print(f"{name:20}", "  ".join(f"{column} {value:.4g}" for column, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
