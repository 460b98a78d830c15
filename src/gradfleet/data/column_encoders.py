"""Encoders of one column: fitted on training rows, chained, written as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from gradfleet.errors import DataError, unknown_name

Array = npt.NDArray[Any]


class ColumnEncoder(Protocol):
    """One step of a column's chain; open until `fit`, then a value."""

    name: ClassVar[str]

    def fit(self, values: Array) -> Self:
        """The same step with what it has to learn from the training rows: floats with NaN, or strings with None."""
        ...

    def apply(self, values: Array) -> Array:
        """The encoded column: (rows,), or (rows, features) at the end of a chain."""
        ...


@dataclass(frozen=True, slots=True)
class Impute:
    """Puts a value where there is none.

    Attributes:
        how: the median, the mean, the most frequent value of the training rows, or "constant"; strings take the most
            frequent one unless it is "constant".
        value: what is put; chosen by `fit` unless it is given.
    """

    how: Literal["median", "mean", "most_frequent", "constant"] = "median"
    value: float | str | None = None

    name: ClassVar[str] = "impute"

    def fit(self, values: Array) -> Impute:
        if self.value is not None:
            return self
        known = values[~missing_in(values)]
        if self.how == "constant" or not len(known):
            return replace(self, value="" if values.dtype.kind == "O" else 0.0)
        if values.dtype.kind == "O" or self.how == "most_frequent":
            found, counts = np.unique(known, return_counts=True)
            return replace(
                self, value=found[counts.argmax()].item() if values.dtype.kind != "O" else str(found[counts.argmax()])
            )
        return replace(self, value=float(np.median(known) if self.how == "median" else np.mean(known)))

    def apply(self, values: Array) -> Array:
        return np.where(missing_in(values), np.array(self.value, values.dtype), values)


@dataclass(frozen=True, slots=True)
class Standardize:
    """Numbers with mean 0 and deviation 1 over the training rows; a constant column becomes 0."""

    mean: float | None = None
    std: float | None = None

    name: ClassVar[str] = "standardize"

    def fit(self, values: Array) -> Standardize:
        known = values[np.isfinite(values)]
        mean, std = (float(known.mean()), float(known.std())) if len(known) else (0.0, 1.0)
        return replace(self, mean=mean, std=std if std > 0 else 1.0)

    def apply(self, values: Array) -> Array:
        assert self.mean is not None
        assert self.std is not None
        return (values - self.mean) / self.std


@dataclass(frozen=True, slots=True)
class Log:
    """The logarithm of 1 + |x|, with the sign of x: for columns whose values span many sizes."""

    name: ClassVar[str] = "log"

    def fit(self, values: Array) -> Log:
        return self

    def apply(self, values: Array) -> Array:
        return np.sign(values) * np.log1p(np.abs(values))


@dataclass(frozen=True, slots=True)
class OneHot:
    """A feature for each category of the training rows; any other category is all zeros.

    Attributes:
        most: categories that get a feature, the most frequent ones.
    """

    most: int = 50
    categories: tuple[str, ...] | None = None

    name: ClassVar[str] = "one_hot"

    def fit(self, values: Array) -> OneHot:
        return replace(self, categories=_categories(values, self.most))

    def apply(self, values: Array) -> Array:
        assert self.categories is not None
        alike: Array = values.astype(str)[:, None] == np.array(self.categories, str)[None]
        return alike.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Ordinal:
    """A number for each category of the training rows, from 1, in sorted order; any other category is 0."""

    most: int = 10_000
    categories: tuple[str, ...] | None = None

    name: ClassVar[str] = "ordinal"

    def fit(self, values: Array) -> Ordinal:
        return replace(self, categories=_categories(values, self.most))

    def apply(self, values: Array) -> Array:
        assert self.categories is not None
        numbers = {category: float(number) for number, category in enumerate(self.categories, 1)}
        return np.array([numbers.get(str(value), 0.0) for value in values])


_KINDS: Mapping[str, Any] = {kind.name: kind for kind in (Impute, Log, OneHot, Ordinal, Standardize)}


def fit_chain(chain: Sequence[ColumnEncoder], values: Array) -> tuple[ColumnEncoder, ...]:
    """Every step fitted on what the steps before it make of the training rows."""
    fitted = []
    for step in chain:
        fitted.append(step.fit(values))
        values = fitted[-1].apply(values)
    return tuple(fitted)


def apply_chain(chain: Sequence[ColumnEncoder], values: Array) -> Array:
    """(rows, features)."""
    for step in chain:
        values = step.apply(values)
    return values.reshape(len(values), -1)


def to_json(step: ColumnEncoder) -> dict[str, Any]:
    return {"encoder": step.name, **asdict(step)}  # type: ignore[call-overload]


def from_json(settings: Mapping[str, Any]) -> ColumnEncoder:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
    kind = values.pop("encoder", None)
    if kind not in _KINDS:
        raise DataError(unknown_name("encoder of a column", kind, _KINDS))
    made: ColumnEncoder = _KINDS[kind](**values)
    return made


def missing_in(values: Array) -> npt.NDArray[np.bool_]:
    """Where a column has NaN or None."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.array([value is None for value in values], bool)


def _categories(values: Array, most: int) -> tuple[str, ...]:
    counts = Counter(str(value) for value in values)
    frequent = sorted(counts, key=lambda category: (-counts[category], category))[:most]
    return tuple(sorted(frequent))
