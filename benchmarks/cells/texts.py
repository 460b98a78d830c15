"""Texts: what is measured on each data set of labelled texts."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from autotasks import AutoTextClassifier
from benchmarks.cells.autokeras import searched_by_autokeras
from benchmarks.cells.kept import Measure, Scores
from benchmarks.cells.texts_by_hand import searched_by_hand

DATA = ("trec6", "sst2", "ag_news_7600", "banking77", "tweeteval_emotion")
_MACRO_F1 = ("tweeteval_emotion",)

Parts = dict[str, pandas.DataFrame]


def ours(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """The preset's best model, and its trial 0: a single network with default settings."""
    parts = read(name)
    given = {"train": parts["train"]} | ({"validation": parts["dev"]} if "dev" in parts else {})
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        classifier = AutoTextClassifier(given, backbones=backbones)
        classifier.fit(budget=budget, store=Path(place, "study.db"), progress=False)
        took = time.perf_counter() - started
        study, texts, truth = classifier.study, parts["test"]["text"].tolist(), parts["test"]["label"]
        print(classifier.leaderboard(8).to_string(), file=sys.stderr)
        scores = {"ours": score(name, truth, classifier.predict(texts)), "seconds": took, "trials": len(study.trials)}
        if study.trial(0).checkpoint is not None:
            scores["default"] = score(name, truth, study.trial(0).model().predict(texts))
        return scores


def linear(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """TF-IDF of words and pairs of words under a support vector machine, and under logistic regression."""
    del budget, backbones
    parts, scores = read(name), {}
    for column, classifier in {"svc": LinearSVC(), "lr": LogisticRegression(C=10, max_iter=300)}.items():
        pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), classifier)
        pipeline.fit(parts["train"]["text"], parts["train"]["label"])
        scores[column] = score(name, parts["test"]["label"], pipeline.predict(parts["test"]["text"]).tolist())
    return scores


def optuna(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """Plain Optuna driving a hand-written loop over the bag and the convolutional net."""
    del backbones
    test = read(name)["test"]
    return {"optuna": score(name, test["label"], searched_by_hand(*chosen_by(read(name)), test, budget))}


def autokeras(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """AutoKeras; nothing where it is not installed."""
    del backbones
    parts = read(name)
    train, held = chosen_by(parts)
    given = {"train": train, "validation": held, "test": parts["test"]}
    rows = {part: (table["text"].to_numpy(str), table["label"].to_numpy(str)) for part, table in given.items()}
    found = searched_by_autokeras("texts", rows, budget)
    return {} if found is None else {"autokeras": score(name, parts["test"]["label"], found)}


MEASURED: dict[str, Measure] = {"linear": linear, "ours": ours, "optuna": optuna, "autokeras": autokeras}


def read(name: str) -> Parts:
    """The table of each part; of what is held out for choosing there may be none."""
    table = pandas.read_csv(Path(os.environ["GRADFLEET_DATA"], f"{name}.csv.gz"))[["split", "text", "label"]]
    return {str(part): rows.drop(columns="split").reset_index(drop=True) for part, rows in table.groupby("split")}


def chosen_by(parts: Parts) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Training rows, and those to choose by: a fifth of them where the data set has none."""
    if "dev" in parts:
        return parts["train"], parts["dev"]
    train = parts["train"]
    return tuple(train_test_split(train, test_size=0.2, stratify=train["label"], random_state=0))


def score(name: str, truth: pandas.Series, found: Sequence[str]) -> float:
    """Accuracy, or macro-F1 where that is what the data set is measured by."""
    wanted, found = truth.astype(str), [str(one) for one in found]
    return float(f1_score(wanted, found, average="macro") if name in _MACRO_F1 else accuracy_score(wanted, found))
