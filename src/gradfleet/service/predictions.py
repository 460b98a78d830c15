"""Predictions: models kept in memory, and raw items as they come over HTTP."""

from __future__ import annotations

import base64
import binascii
import io
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradfleet.errors import DataError
from gradfleet.service import documents
from gradfleet.service.documents import plain

if TYPE_CHECKING:
    from gradfleet.service.service import Service


_MOST_PIXELS = 100_000_000
"""Of all images of a request."""


@dataclass(frozen=True)
class Loaded:
    """A model in memory.

    Attributes:
        predictor: has `predict`, `predict_proba` and `labels`.
        facts: of the data that it learned from, as a study's spec keeps them; None where a search brought its own.
    """

    predictor: Any
    facts: Mapping[str, Any] | None
    lock: threading.Lock = field(default_factory=threading.Lock)


def of_sweep(
    service: Service, name: str, number: int | None, items: Sequence[Any], *, proba: bool
) -> documents.Predictions:
    """What a trial of a sweep says of items; the best trial's model when no number is given.

    Raises:
        NotFoundError: there is no such sweep, trial or model.
        NoUsableTrialError: no trial has a result.
        ExecutionError: the model runs its author's code, which a service does not.
        DataError: an item cannot be read.
    """
    study = service.study(name)
    trial = study.best if number is None else study.trial(number)
    key = ("sweep", study.row.id, trial.number, trial.checkpoint)
    loaded = service.predictors.get(key, lambda: Loaded(trial.model(), study.spec.get("facts")))
    return documents.Predictions(model=f"{name}/{trial.number}", predictions=predicted(loaded, items, proba=proba))


def predicted(loaded: Loaded, items: Sequence[Any], *, proba: bool) -> list[documents.Prediction]:
    """One prediction an item, in order: those that the model gives without a service.

    Raises:
        DataError: an item cannot be read.
    """
    raw = read_items(items, loaded.facts)
    with loaded.lock:
        found, likely, scores = _asked(loaded, raw, proba=proba)
    nothing = [None] * len(found)
    labels = [str(label) for label in loaded.predictor.labels or ()]
    return [
        documents.Prediction(prediction=one, probabilities=None if row is None else _named(row, labels), score=score)
        for one, row, score in zip(found, likely or nothing, scores or nothing, strict=True)
    ]


def _asked(loaded: Loaded, raw: list[Any], *, proba: bool) -> tuple[list[Any], list[Any] | None, list[float] | None]:
    """Predictions; probabilities where they are wanted, and scores where there are any."""
    from gradfleet.trials.answers import answers_of  # imports torch

    said = answers_of(loaded.predictor, raw)
    has_scores = bool((loaded.facts or {}).get("label_scores"))
    return (
        plain(list(said.labels)),
        plain(said.probabilities) if proba else None,
        plain(said.scores) if has_scores else None,
    )


def read_items(items: Sequence[Any], facts: Mapping[str, Any] | None) -> list[Any]:
    """Items of JSON as a model takes them. No text is ever the path of a file here.

    Raises:
        DataError: they are of another kind than what the model learned from.
    """
    if not items:
        raise DataError("At least one item is needed, got none.")
    kind = kind_of(facts)
    if kind == "images":
        images = [one if isinstance(one, bytes) else _image(one, place) for place, one in enumerate(items)]
        _refuse_many_pixels(images)
        return images
    wrong = [place for place, one in enumerate(items) if not isinstance(one, _TYPES[kind])]
    if wrong:
        came = type(items[wrong[0]]).__name__
        raise DataError(
            f"The model learned from {kind}, so an item is {_WORDS[kind]}; item {wrong[0]} is of type {came}."
        )
    return list(items)


_TYPES: Mapping[str, tuple[type, ...]] = {"texts": (str,), "rows": (dict, list)}
_WORDS = {"texts": "a text", "rows": "an object from column to value, or a list of numbers"}


_KINDS: Mapping[str | None, documents.ItemKind] = {"image": "images", "text": "texts"}


def kind_of(facts: Mapping[str, Any] | None) -> documents.ItemKind:
    """What a model predicts that learned from data of these facts."""
    said = None if facts is None else facts.get("preparation")
    return _KINDS.get(None if said is None else said.get("preparation"), "rows")


def _image(text: Any, place: int) -> bytes:
    if not isinstance(text, str):
        raise DataError(f"The model learned from images, so an item is one as base64; item {place} is no text.")
    try:
        return base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"Item {place} is no image as base64: {error}.") from error


def _refuse_many_pixels(images: Sequence[bytes]) -> None:
    """A hundred pictures of one colour are a megabyte to send, and a minute to decode."""
    from PIL import Image

    pixels = 0
    for one in images:
        with suppress(Exception), Image.open(io.BytesIO(one)) as opened:  # what is no image is named by who decodes it
            pixels += opened.width * opened.height
    if pixels > _MOST_PIXELS:
        raise DataError(f"One request predicts at most {_MOST_PIXELS:,} pixels, got {pixels:,}; send fewer images.")


def _named(row: Any, labels: Sequence[str]) -> dict[str, float | None]:
    values = row if isinstance(row, list) else [row]
    names = labels if len(labels) == len(values) else [str(place) for place in range(len(values))]
    return dict(zip(names, values, strict=True))
