"""Images: what is measured on each data set of labelled images."""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from autotasks import AutoImageClassifier
from benchmarks.cells.autokeras import searched_by_autokeras
from benchmarks.cells.images_by_hand import Pair, searched_by_hand
from benchmarks.cells.kept import Measure, Scores
from gradfleet.tasks import ImagePreparation

DATA = ("fashion_mnist", "flowers5", "hymenoptera")
_FASHION = 10_000  # training images, the first ones
_FOLDERS = {"flowers5": ("train", "test"), "hymenoptera": ("train", "val")}  # to learn from, to be measured on
_SIDE, _BY_HAND = 32, 64  # pixels of what the linear baselines look at, and of the search by hand


def ours(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """The preset's best model, and its trial 0: a single network with default settings."""
    with _parts(name) as (train, test), tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        classifier = AutoImageClassifier(train, backbones=backbones)
        classifier.fit(budget=budget, store=Path(place, "study.db"))
        took = time.perf_counter() - started
        study = classifier.study
        print(classifier.leaderboard(8).to_string(), file=sys.stderr)
        scores = {"ours": classifier.evaluate(test)["accuracy"], "seconds": took, "trials": len(study.trials)}
        if study.trial(0).checkpoint is not None:
            scores["default"] = study.trial(0).model().evaluate(test)["accuracy"]
        return scores


def linear(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """A support vector machine on 32 x 32 pixels, and logistic regression on them."""
    del budget, backbones
    with _parts(name) as parts:
        (x, y), (x_test, y_test) = (_pixels(part) for part in parts)
    scores = {}
    for column, classifier in {"svc": SVC(C=10), "lr": LogisticRegression(C=0.01, max_iter=300)}.items():
        pipeline = make_pipeline(StandardScaler(), classifier)
        scores[column] = float(accuracy_score(y_test, pipeline.fit(x, y).predict(x_test)))
    return scores


def optuna(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """Plain Optuna driving a hand-written loop over the convolutional and the residual net."""
    del backbones
    with _parts(name) as parts:
        train, (x_test, y_test) = (_images(part, _BY_HAND) for part in parts)
    return {"optuna": float(accuracy_score(y_test, searched_by_hand(train, x_test, budget)))}


def autokeras(name: str, budget: float, backbones: Sequence[str]) -> Scores:
    """AutoKeras; nothing where it is not installed."""
    del backbones
    with _parts(name) as parts:
        (x, y), (x_test, y_test) = (_images(part, _BY_HAND) for part in parts)
    train, held, labels, held_labels = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    rows = {"train": (train, labels), "validation": (held, held_labels), "test": (x_test, y_test)}
    last = {part: (np.moveaxis(images, 1, -1), names) for part, (images, names) in rows.items()}
    found = searched_by_autokeras("images", last, budget)
    return {} if found is None else {"autokeras": float(accuracy_score(y_test, found))}


MEASURED: dict[str, Measure] = {"linear": linear, "ours": ours, "optuna": optuna, "autokeras": autokeras}


@contextmanager
def _parts(name: str) -> Iterator[tuple[Any, Any]]:
    """What is learned from, and what is measured on: pairs of arrays, or folders."""
    folder = Path(os.environ["GRADFLEET_DATA"])
    if name not in _FOLDERS:
        held = np.load(folder / f"{name}.npz")
        names = held["classes"]
        x, y = held["x_train"][:_FASHION, None], names[held["y_train"][:_FASHION]]
        yield (x, y), (held["x_test"][:, None], names[held["y_test"]])
        return
    with tempfile.TemporaryDirectory() as place, tarfile.open(folder / f"{name}.tar.gz") as archive:
        archive.extractall(place, filter="data")
        train, test = (Path(place, name, part) for part in _FOLDERS[name])
        yield train, test


def _pixels(part: Any) -> Pair:
    images, labels = _images(part, _SIDE)
    return images.reshape(len(images), -1) / 255, labels


def _images(part: Any, side: int) -> Pair:
    """uint8 images (rows, channels, height, width) and their labels; arrays are as large as they are."""
    if isinstance(part, tuple):
        return part
    files = sorted(file for file in part.glob("*/*") if file.is_file())
    preparation = ImagePreparation(size=(side, side), channels=3)
    return np.stack([preparation.apply(file).numpy() for file in files]), np.array([one.parent.name for one in files])
