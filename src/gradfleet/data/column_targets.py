"""The target of a table: one column or several, as classes, several labels a row, amounts, or texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas

from gradfleet.data.columns import no_texts
from gradfleet.data.label_lists import as_columns, labels_of
from gradfleet.data.prepared import DataFacts, Kind, ReadAs
from gradfleet.data.problems import listed
from gradfleet.data.tables import is_text, missing
from gradfleet.data.targets import TargetReader, told
from gradfleet.errors import DataError

Array = npt.NDArray[Any]
Form = Literal["values", "labels", "text"]
_OWN_LABEL = 50  # rows from which a label of its own for each is refused


@dataclass(frozen=True, slots=True)
class ColumnTargets:
    """How the target's columns are read: fitted on training rows, then the same for every other part.

    Attributes:
        columns: their names.
        form: "values" one value a row and column, "labels" several labels in a cell, "text" a text to be written.
        reader: of the values; of a text there is none.
    """

    columns: tuple[str, ...]
    form: Form
    reader: TargetReader | None = None

    @classmethod
    def fit(cls, frame: pandas.DataFrame, columns: tuple[str, ...], kind: ReadAs | None) -> ColumnTargets:
        """Decide from the training rows what the target is.

        Raises:
            DataError: it can be nothing that is learned.
        """
        if kind == "text":
            if not is_text(frame[columns[0]]):
                raise DataError(no_texts(frame[columns[0]]))
            return cls(columns, "text")
        first = frame[columns[0]]
        if len(columns) == 1 and (kind == "multilabel" or _holds_lists(first)):
            names = sorted({name for labels in map(labels_of, first) for name in labels})
            return cls(columns, "labels", TargetReader.fit_names(_several(names), "multilabel"))
        values = raw_values(frame, columns)
        reader = TargetReader.fit(values, kind)
        if reader.kind == "multiclass":
            _check_labels(columns[0], values)
        if len(columns) > 1:
            reader = TargetReader.fit_names(columns, reader.kind)
        return cls(columns, "values", reader)

    @classmethod
    def of(cls, facts: DataFacts) -> ColumnTargets:
        """The reader that made `facts`."""
        columns = tuple(facts.columns.get("target", ()))
        form: Form = "text" if facts.kind == "text" else "values"
        if facts.kind == "multilabel" and len(columns) == 1:
            form = "labels"
        return cls(columns, form, None if form == "text" else TargetReader.of(facts))

    @property
    def num_outputs(self) -> int:
        return self.reader.num_outputs if self.reader else 0

    @property
    def kind(self) -> Kind:
        return "text" if self.reader is None else self.reader.kind

    def read(self, frame: pandas.DataFrame, part: str) -> Array:
        """Class numbers (rows,), numbers (rows, outputs), or strings where texts are to be written.

        Raises:
            DataError: a label that training never saw.
        """
        if self.reader is None:
            return frame[self.columns[0]].to_numpy(dtype=object)
        if self.form == "labels":
            assert self.reader.encoder is not None, "labels have names"
            return as_columns(frame[self.columns[0]], self.reader.encoder, part)
        return self.reader.read(told(raw_values(frame, self.columns), self.reader.reads_as), part)

    def note(self, frame: pandas.DataFrame) -> str:
        """How the training targets were understood, in one sentence."""
        if self.reader is None:
            return f"The texts of {self.columns[0]!r} are to be written."
        if self.form == "labels":
            return f"A row may have several of {self.reader.num_outputs} labels, so this is multilabel."
        return self.reader.note(raw_values(frame, self.columns))


def raw_values(frame: pandas.DataFrame, columns: tuple[str, ...]) -> Array:
    """The cells of these columns as one array of integers, floats, booleans or strings.

    Raises:
        DataError: a column holds something else.
    """
    arrays = [_values(frame[name], name) for name in columns]
    return arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)


def bad_targets(frame: pandas.DataFrame, columns: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Rows without a target, or with infinity for one."""
    bad = np.zeros(len(frame), bool)
    for name in columns:
        bad |= missing(frame[name])
        if frame[name].dtype.kind == "f":
            bad |= np.isinf(frame[name].to_numpy())
    return bad


def almost_alike(labels: Iterable[str]) -> list[list[str]]:
    """Labels that differ in case or spaces alone, together."""
    known: dict[str, list[str]] = {}
    for label in labels:
        known.setdefault("".join(label.split()).casefold(), []).append(label)
    return [same for same in known.values() if len(same) > 1]


def seeming_several(labels: Iterable[str]) -> str | None:
    """A label that looks like several between bars or semicolons, each of which stands elsewhere, too."""
    parts = {label: [one.strip() for one in re.split(r"[|;]", label)] for label in labels}
    count = Counter(one for of in parts.values() for one in of)
    return next((label for label, of in parts.items() if len(of) > 1 and all(count[one] > 1 for one in of)), None)


def _values(column: pandas.Series, name: str) -> Array:
    if isinstance(column.dtype, pandas.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if is_text(column):
        return column.to_numpy(dtype=str)
    if column.dtype.kind in "biuf":
        return column.to_numpy(dtype=f"{column.dtype.kind}8" if column.dtype.kind in "iuf" else bool)
    if column.dtype == object:
        kinds = sorted({type(cell).__name__ for cell in column})
        cells = [np.asarray(cell) for cell in column]
        if len({(cell.shape, cell.dtype.kind) for cell in cells}) == 1 and cells[0].dtype.kind in "biuf":
            return np.stack(cells)
        raise DataError(f"The column {name!r} needs numbers or strings throughout, got {', '.join(kinds)}.")
    raise DataError(f"The column {name!r} needs classes or numbers to be a target, got {column.dtype}.")


def _holds_lists(column: pandas.Series) -> bool:
    if column.dtype != object or not len(column):
        return False
    lists = [isinstance(cell, list | tuple | set | np.ndarray) for cell in column]
    names = (np.asarray(list(cell)) for cell, is_list in zip(column, lists, strict=True) if is_list)
    return all(lists) and (any(one.dtype.kind in "US" for one in names) or len({len(cell) for cell in column}) > 1)


def _several(names: list[str]) -> list[str]:
    if not names:
        raise DataError("No row has a label. Training needs at least one.")
    return names


def _check_labels(name: str, values: Array) -> None:
    labels = np.unique(values)
    if len(labels) == len(values) >= _OWN_LABEL:
        raise DataError(
            f"Each of the {len(values):,} training rows has a label of its own in {name!r}, such as "
            f"{listed(labels.tolist()[:3])}, so nothing can be learned from it. Name another column, "
            'target="...", or learn amounts: AutoDataset(..., kind="regression").'
        )
