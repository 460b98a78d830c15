"""What an estimator is asked to predict: y as users write it, and as a loss takes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from gradfleet.data import splits
from gradfleet.data.prepared import Kind
from gradfleet.data.problems import listed
from gradfleet.errors import DataError, SettingError
from gradfleet.training import losses

Array = npt.NDArray[Any]


class Targets(ABC):
    """What fit learned of y."""

    kind: Kind

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """How many outputs a network needs for them."""

    @abstractmethod
    def encode(self, y: Array) -> Array:
        """As a loss takes them.

        Raises:
            DataError: they are not of the sort that the first y was.
        """

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the classes by their number, where there are any."""
        return None

    def split(self, encoded: Array, fraction: float, seed: int) -> tuple[splits.Rows, splits.Rows]:
        """The rows to train on, and those to validate on."""
        return splits.shuffled(len(encoded), fraction, seed)


@dataclass(frozen=True, slots=True)
class Classes(Targets):
    """One of several labels a row, which may be of any type that sorts; or several of them, as columns of 0 and 1.

    Attributes:
        labels: sorted; the columns' numbers where y has columns.
        kind: two classes are "binary", with one output, only where the loss is for that alone.
    """

    labels: Array
    kind: Kind

    @classmethod
    def of(cls, y: Array, loss: Any) -> Classes:
        """The classes that are in `y`.

        Raises:
            DataError: there are fewer than two.
        """
        return cls._columns(y) or cls._among(_column(y), loss)

    @classmethod
    def announced(cls, y: Array, loss: Any, labels: Sequence[Any] | Array | None) -> Classes:
        """The classes that are in `labels`, of which y may have only some; columns of y say themselves what they are.

        Raises:
            SettingError: there are no labels.
        """
        found = cls._columns(y)
        if found is None and labels is None:
            raise SettingError("The first partial_fit needs classes=, all labels that will ever come.")
        return found or cls._among(np.asarray(labels), loss)

    @classmethod
    def _columns(cls, y: Array) -> Classes | None:
        check_classification_targets(y)
        return cls(np.arange(y.shape[1]), "multilabel") if type_of_target(y) == "multilabel-indicator" else None

    @classmethod
    def _among(cls, labels: Array, loss: Any) -> Classes:
        known = np.unique(labels)
        if len(known) < 2:
            raise DataError(f"A classifier needs at least two classes, got 1 class: {listed(known.tolist())}.")
        return cls(known, "binary" if len(known) == 2 and "binary" in kinds_of(loss) else "multiclass")

    @property
    def num_outputs(self) -> int:
        return 1 if self.kind == "binary" else len(self.labels)

    @property
    def names(self) -> tuple[str, ...] | None:
        return tuple(map(str, self.labels.tolist())) if self.kind != "multilabel" else None

    def encode(self, y: Array) -> Array:
        if self.kind == "multilabel":
            if y.shape[1:] != self.labels.shape:
                raise DataError(f"y needs {len(self.labels)} columns, a label each, got shape {y.shape}.")
            return y.astype(np.float32)
        numbers = self._numbers(_column(y))
        return numbers.astype(np.float32) if self.kind == "binary" else numbers

    def split(self, encoded: Array, fraction: float, seed: int) -> tuple[splits.Rows, splits.Rows]:
        if self.kind == "multilabel":
            return splits.shuffled(len(encoded), fraction, seed)
        return splits.stratified(self.labels[encoded.astype(np.int64)], fraction, seed)

    def _numbers(self, y: Array) -> Array:
        known = self.labels.tolist()
        unknown = [label for label in np.unique(y).tolist() if label not in known]
        if unknown:
            raise DataError(
                f"These labels are none of the classes that came first: {listed(unknown)}. "
                f"Known: {listed(known)}. The first partial_fit takes all of them as classes=."
            )
        return np.searchsorted(self.labels, y)


@dataclass(frozen=True, slots=True)
class Amounts(Targets):
    """Numbers, in one column or several.

    Attributes:
        shape: of a row's; empty where y has no columns.
    """

    shape: tuple[int, ...]
    kind: Kind = "regression"

    @property
    def num_outputs(self) -> int:
        return self.shape[0] if self.shape else 1

    def encode(self, y: Array) -> Array:
        if y.shape[1:] != self.shape:
            raise DataError(f"y needs the shape {('rows', *self.shape)}, got {y.shape}.".replace("'rows'", "rows"))
        with np.errstate(over="ignore"):
            encoded = y.astype(np.float32)
        if not np.isfinite(encoded).all():
            raise DataError("y has values that are too large for float32; use sklearn's TransformedTargetRegressor.")
        return encoded


def kinds_of(loss: Any) -> tuple[Kind, ...]:
    """The kinds of problem that a loss is for; empty where it may be for any, or is none."""
    return losses.kinds_of(loss) if not isinstance(loss, str) or loss in losses.LOSSES else ()


def _column(y: Array) -> Array:
    column: Array = column_or_1d(y, warn=True)
    return column
