"""Columns of numbers and categories as one row of floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas
import torch

from gradfleet.data import column_encoders
from gradfleet.data.column_encoders import ColumnEncoder, Impute, Log, OneHot, Ordinal, Standardize
from gradfleet.data.fingerprint import of_json
from gradfleet.data.problems import listed
from gradfleet.data.tables import missing, read_table
from gradfleet.errors import DataError

__all__ = ["Impute", "Log", "OneHot", "Ordinal", "Standardize", "TablePreparation"]

NUMBER, CATEGORY = "number", "category"
_USUAL: Mapping[str, tuple[ColumnEncoder, ...]] = {
    NUMBER: (Impute(), Standardize()),
    CATEGORY: (Impute("constant", "missing"), OneHot()),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One fitted column: "number" or "category", and its chain."""

    name: str
    kind: str
    chain: tuple[ColumnEncoder, ...]


@dataclass(frozen=True, slots=True)
class TablePreparation:
    """Each column through its chain of encoders; their features stand side by side.

    Attributes:
        encoders: the chain of a column by its name, or of all others of a type: "number" (also true and false) and
            "category" (strings). Types that are left out are imputed and standardized, or one-hot encoded.
        columns: what `fit` made of them.

    Example:
        >>> rows = [{"age": 1, "city": "a"}, {"age": 3, "city": "b"}]
        >>> preparation = TablePreparation({"city": [Ordinal()]}).fit(rows)
        >>> preparation.apply({"age": 3, "city": "b"})
        tensor([1., 2.])
    """

    encoders: Mapping[str, Sequence[ColumnEncoder]] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()

    name: ClassVar[str] = "table"

    @property
    def key(self) -> str:
        return of_json(self.to_json())

    def fit(self, examples: Any) -> TablePreparation:
        """Choose each column's chain by name or type, and fit it.

        Args:
            examples: the training rows: a frame, or a list of dicts.

        Raises:
            DataError: encoders are named for a column that is not there, or a chain does not end in numbers.
        """
        frame = read_table(examples)[0]
        chosen = {**_USUAL, **self.encoders}
        unknown = sorted(set(self.encoders) - set(frame.columns) - set(_USUAL))
        problems = [f"Encoders are given for {listed(unknown)}, which is no input column."] if unknown else []
        columns = []
        for name in frame.columns:
            kind = _kind(frame[name])
            values = _values(frame[name], name, kind)
            chain = column_encoders.fit_chain(chosen.get(name, chosen[kind]), values)
            columns.append(Column(name, kind, chain))
            problems += _chain_problems(columns[-1], values)
        if problems:
            raise DataError(problems)
        return replace(self, columns=tuple(columns))

    def apply(self, example: Any) -> torch.Tensor:
        """One row, a dict, as float32 (features,).

        Raises:
            DataError: a column is missing or of another type; it is named.
        """
        if not isinstance(example, Mapping):
            raise DataError(f"A row needs to be a dict of its columns, got {type(example).__name__}.")
        return torch.from_numpy(self.apply_frame(pandas.DataFrame([dict(example)]))[0])

    def apply_frame(self, frame: pandas.DataFrame) -> npt.NDArray[np.float32]:
        """All rows, float32 (rows, features); every column and type that is not as in training is named at once."""
        if not self.columns:
            raise DataError("A TablePreparation needs to be fitted: use what fit() returns.")
        problems, features = list[str](), []
        for column in self.columns:
            if column.name not in frame.columns:
                problems.append(
                    f"The model learned from the column {column.name!r}, which is missing here; the columns are "
                    f"{listed(frame.columns)}."
                )
                continue
            try:
                values = _values(frame[column.name], column.name, column.kind)
            except DataError as problem:
                problems += problem.problems
            else:
                features.append(column_encoders.apply_chain(column.chain, values))
                problems += _gaps(features[-1], column.name)
        if problems:
            raise DataError(problems)
        return np.concatenate(features, axis=1).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        return {
            "preparation": self.name,
            "encoders": {name: list(map(column_encoders.to_json, chain)) for name, chain in self.encoders.items()},
            "columns": [
                [column.name, column.kind, list(map(column_encoders.to_json, column.chain))] for column in self.columns
            ],
        }

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> TablePreparation:
        encoders = {name: _chain(chain) for name, chain in settings["encoders"].items()}
        return cls(encoders, tuple(Column(name, kind, _chain(chain)) for name, kind, chain in settings["columns"]))


def _chain(steps: Sequence[Mapping[str, Any]]) -> tuple[ColumnEncoder, ...]:
    return tuple(map(column_encoders.from_json, steps))


def _kind(column: pandas.Series) -> str:
    return NUMBER if column.dtype.kind in "biuf" else CATEGORY


def _values(column: pandas.Series, name: str, kind: str) -> npt.NDArray[Any]:
    """Floats with NaN, or strings with None.

    Raises:
        DataError: numbers are needed and there is something else.
    """
    if kind == CATEGORY:
        empty = missing(column)
        return np.array([None if gap else str(cell) for cell, gap in zip(column, empty, strict=True)], object)
    numbers = pandas.to_numeric(column, errors="coerce")
    wrong = numbers.isna().to_numpy() & ~missing(column)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"The column {name!r} holds numbers in training, got {column.iloc[row]!r} in row {row} (the first is 0)."
        )
    values: npt.NDArray[Any] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.isinf(values).argmax())
        raise DataError(f"The column {name!r} needs finite numbers, got infinity in row {row} (the first is 0).")
    return values


def _chain_problems(column: Column, values: npt.NDArray[Any]) -> list[str]:
    features = column_encoders.apply_chain(column.chain, values)
    if features.dtype.kind == "O":
        return [f"The encoders of {column.name!r} need to end with numbers: end them with OneHot() or Ordinal()."]
    return _gaps(features, column.name)


def _gaps(features: npt.NDArray[Any], name: str) -> list[str]:
    if features.dtype.kind != "f" or not np.isnan(features).any():
        return []
    row = int(np.isnan(features).any(axis=1).argmax())
    return [f"The column {name!r} has nothing in row {row} (the first is 0); begin its encoders with Impute()."]
