"""Trying a model: an image, a text or a row goes in, and what the model says of it comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradfleet.errors import DataError, GradfleetError, SettingError
from gradfleet.service import documents, models, predictions
from gradfleet.service.pages.visit import Visit
from gradfleet.service.problems import status_of
from gradfleet.sweeps.document import scalar

_SHOWN = 8
_WITH_PROBABILITIES = ("binary", "multiclass")

Ask = Callable[..., documents.Predictions]


@dataclass(frozen=True, slots=True)
class Trying:
    """What a page shows of a model that can be tried.

    Attributes:
        action: where an item is posted to.
        kind: of items: "images", "texts" or "rows".
        columns: of a row, where they have names.
        said: what was asked about, as text; empty for an image.
        answer: what the model says of it.
        probabilities: by class, the largest first.
        score: of labels that have scores, their mean.
        problem: why it says nothing.
    """

    action: str
    kind: str
    columns: Sequence[str] = ()
    said: Mapping[str, str] | None = None
    answer: Any = None
    probabilities: Sequence[tuple[str, float]] = ()
    score: float | None = None
    problem: str | None = None


def of(action: str, facts: Mapping[str, Any] | None) -> Trying:
    """A model that nothing was asked of yet."""
    columns = () if facts is None else tuple(dict(facts.get("columns") or {}).get("inputs", ()))
    return Trying(action, predictions.kind_of(facts), columns)


def asked(visit: Visit, action: str, facts: Mapping[str, Any] | None, ask: Ask) -> tuple[Trying, int]:
    """What a model says of what was posted, and the status of the answer."""
    empty = of(action, facts)
    proba = facts is not None and facts.get("kind") in _WITH_PROBABILITIES
    try:
        (found,) = ask([_item(visit, empty)], proba=proba).predictions
    except GradfleetError as error:
        status = status_of(error) or 422
        return Trying(action, empty.kind, empty.columns, visit.form, problem=str(error)), status
    rows = [(name, value) for name, value in (found.probabilities or {}).items() if value is not None]
    ordered = sorted(rows, key=lambda row: -row[1])[:_SHOWN]
    return Trying(action, empty.kind, empty.columns, visit.form, found.prediction, ordered, found.score), 200


def _item(visit: Visit, trying: Trying) -> Any:
    """
    Raises:
        DataError: nothing was posted, or it cannot be read.
    """
    if trying.kind == "images":
        file = visit.files.get("file")
        if file is None:
            raise DataError("Choose an image first.")
        return file.file.read()
    if trying.kind == "texts":
        if not (text := visit.form.get("text", "").strip()):
            raise DataError("Type a text first.")
        return text
    if trying.columns:
        return {name: _value(visit.form.get(f"column.{name}", "")) for name in trying.columns}
    row = _value(visit.form.get("row", ""))
    if not isinstance(row, dict | list):
        raise DataError("A row is [1.5, 2, 0.1], or {column: value}.")
    return row


def _value(text: str) -> Any:
    try:
        return scalar(text) if text.strip() else None
    except SettingError as error:
        raise DataError(f"This cannot be read: {text[:60]!r}.") from error


def of_trial(visit: Visit) -> Ask:
    """Asks the trial in the address."""
    return lambda items, proba: predictions.of_sweep(visit.service, visit.name, visit.number, items, proba=proba)


def of_model(visit: Visit, name: str) -> Ask:
    """Asks a model by its name."""
    return lambda items, proba: models.predict(visit.service, name, items, proba=proba)
