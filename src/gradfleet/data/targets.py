"""What kind of problem the targets pose, by rule, and the targets in the form that training reads.

    integers, strings, booleans, one a row   multiclass; an output a class
    0 or 1, several a row                    multilabel; an output a column
    floats of nothing but 0.0 and 1.0        binary; one output
    any other floats                         regression; an output a column
    a few floats, told to be "ordinal"       multiclass; an output a number of the scale
    floats of more axes, such as images      regression; an output a number, and the axes stay as they are

The type decides, never a guess from the values: floats such as 0.0, 1.0, 2.0 are regression (a note says so), classes
are given as integers or strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gradfleet.data.encoders import LabelEncoder
from gradfleet.data.label_lists import are_label_lists, as_columns
from gradfleet.data.prepared import DataFacts, Kind, ReadAs
from gradfleet.data.problems import listed
from gradfleet.errors import DataError

Array = npt.NDArray[Any]
_FEW = 20
_MOST_OF_A_SCALE = 101  # 0 to 10 in tenths


@dataclass(frozen=True, slots=True)
class TargetReader:
    """How targets are read: fitted on the training targets, then the same for every other part.

    Attributes:
        encoder: from labels to class numbers; None when classes were given as 0 .. num_outputs - 1.
    """

    kind: Kind
    num_outputs: int
    encoder: LabelEncoder | None = None
    label_type: str = "str"

    @classmethod
    def fit(cls, targets: Array, kind: ReadAs | None = None) -> TargetReader:
        """Decide by the rule above.

        Args:
            kind: what the problem is, whatever the rule says; whole numbers may be amounts, and whole floats classes.

        Raises:
            DataError: the targets fit no kind, or not the one that was asked for, or say the same for every row.
        """
        flat = told(_flat(targets), kind)
        if flat.ndim > 2 and flat.dtype.kind != "f":
            raise DataError(
                "Targets need one or two axes (rows, outputs), or floats such as those of images; got "
                f"{flat.dtype} of shape {targets.shape}."
            )
        if flat.ndim > 1 and kind == "ordinal":
            raise DataError(f"A scale is one number a row, got targets of shape {targets.shape}.")
        reader = cls._fit_columns(flat) if flat.ndim > 1 else cls._fit_values(flat, kind)
        if flat.ndim == 1 and len(np.unique(flat)) < 2:
            raise DataError(
                f"Training needs at least two different targets; all {len(flat):,} training rows have "
                f"{flat.tolist()[0]!r}. Add rows of another class."
            )
        return reader

    @classmethod
    def fit_names(cls, names: Sequence[str], kind: Kind) -> TargetReader:
        """The reader of several columns that are known by names."""
        return cls(kind, len(names), LabelEncoder(tuple(names)))

    @classmethod
    def of(cls, facts: DataFacts) -> TargetReader:
        """The reader that made `facts`."""
        encoder = LabelEncoder(facts.labels) if facts.labels else None
        return cls(facts.kind, facts.num_outputs, encoder, facts.label_type)

    @classmethod
    def _fit_values(cls, values: Array, kind: ReadAs | None) -> TargetReader:
        classes = np.unique(values)
        if values.dtype.kind == "f" and kind != "ordinal":
            return cls("binary" if set(classes) == {0.0, 1.0} else "regression", 1)
        if values.dtype.kind == "f" and len(classes) > _MOST_OF_A_SCALE:
            raise DataError(
                f"A scale has at most {_MOST_OF_A_SCALE} numbers, and these are {len(classes):,}: "
                f"{listed(classes.tolist())}. Round them, such as to halves."
            )
        if values.dtype.kind in "iu" and np.array_equal(classes, np.arange(len(classes))):
            return cls("multiclass", len(classes))
        label_type = {"b": "bool", "i": "int", "u": "int", "f": "float"}.get(values.dtype.kind, "str")
        return cls("multiclass", len(classes), LabelEncoder(tuple(str(one) for one in classes)), label_type)

    @classmethod
    def _fit_columns(cls, values: Array) -> TargetReader:
        if values.dtype.kind not in "biuf":
            raise DataError(f"Targets with several columns need numbers, got {_called(values)}. Give a label a row.")
        if values.ndim == 2 and np.isin(values, (0, 1)).all():
            return cls("multilabel", values.shape[1])
        if values.dtype.kind == "f":
            return cls("regression", int(np.prod(values.shape[1:])))
        raise DataError(
            "Integer targets with several columns need 0 and 1 only (multilabel), "
            f"got {listed(np.unique(values).tolist())}. Give floats for regression, or one class number a row."
        )

    @property
    def labels(self) -> tuple[str, ...] | None:
        return self.encoder.labels if self.encoder else None

    @property
    def classes(self) -> bool:
        """Whether rows belong to one class each, so that a split can be stratified."""
        return self.kind in ("multiclass", "binary")

    @property
    def reads_as(self) -> ReadAs:
        """What `told` is asked for of other parts; a class between two others is one that training never saw."""
        return "ordinal" if self.kind == "multiclass" else self.kind

    def read(self, targets: Array, part: str, *, numbered: bool = False) -> Array:
        """Class numbers (rows,) as int64, else float32, (rows, outputs) or with the axes that the targets have.

        Args:
            numbered: whether integers may be class numbers where the labels are words, as a tensor of targets has them.

        Raises:
            DataError: a class that training never saw, or another number of columns.
        """
        flat = _flat(targets)
        if self.kind != "multiclass":
            return self._read_numbers(flat, part)
        if flat.ndim == 1 and self.label_type == "float" and flat.dtype.kind in "iuf":
            flat = _of_scale(flat)
        if flat.ndim != 1 or (flat.dtype.kind == "f" and self.label_type != "float" and _are_whole(flat)):
            raise DataError(
                f"The {part} targets need one integer or label a row as in training, "
                f"got {flat.dtype} of shape {targets.shape}."
            )
        names = [str(one) for one in flat.tolist()]
        encoder = self.encoder
        if (
            numbered
            and self.label_type == "str"
            and flat.dtype.kind in "iu"
            and not set(names) & set(self.labels or ())
        ):
            encoder = None
        encoder = encoder or LabelEncoder(tuple(str(number) for number in range(self.num_outputs)))
        return encoder.encode(names, part)

    def as_given(self, targets: Any, part: str) -> Array:
        """Targets of any form as an array that `read` takes; of several labels a row also lists of their names.

        Raises:
            DataError: the rows have different shapes, or a label that training never saw.
        """
        if self.kind == "multilabel" and self.encoder and are_label_lists(targets):
            return as_columns(targets, self.encoder, part)
        return as_array(targets, f"{part} targets")

    def _read_numbers(self, values: Array, part: str) -> Array:
        columns = values.reshape(len(values), -1)
        if columns.dtype.kind not in "biuf" or columns.shape[1] != self.num_outputs:
            raise DataError(
                f"The {part} targets need {self.num_outputs} number(s) a row as in training, "
                f"got {values.dtype} of shape {values.shape}."
            )
        if self.kind in ("binary", "multilabel") and not np.isin(columns, (0, 1)).all():
            raise DataError(
                f"The {part} targets need 0 and 1 only as in training, got {listed(np.unique(columns).tolist())}."
            )
        return (values if values.ndim > 2 else columns).astype(np.float32)

    def note(self, targets: Array) -> str:
        """How the training targets were understood, in one sentence."""
        flat = _flat(targets)
        if self.kind == "multiclass":
            return f"The targets name classes ({_called(flat)}), so this is multiclass with {self.num_outputs} classes."
        if self.kind == "binary":
            return "The targets are the floats 0.0 and 1.0, so this is binary with one output."
        if self.kind == "multilabel":
            one_hot = bool((flat.sum(axis=1) == 1).all())
            hint = "; every row has exactly one 1, so if these are classes, give class numbers" if one_hot else ""
            return f"The targets are {self.num_outputs} columns of 0 and 1, so this is multilabel{hint}."
        whole = np.array_equal(flat, np.round(flat)) and len(np.unique(flat)) <= _FEW
        hint = "; they are few whole numbers, so if these are classes, give integers instead" if whole else ""
        return f"The targets are floats, so this is regression with {self.num_outputs} output(s){hint}."


def told(targets: Array, kind: ReadAs | None) -> Array:
    """Targets in the type that says what kind they are: classes as integers or strings, all else as floats.

    Raises:
        DataError: they cannot be of this kind.
    """
    if targets.dtype.kind == "O":
        targets = _flat(targets)
    if kind in ("multiclass", "ordinal") and targets.dtype.kind == "f":
        if not _are_whole(targets):
            if kind == "ordinal":
                return _of_scale(targets)
            odd = next(value for value in targets.ravel().tolist() if value != round(value))
            raise DataError(
                f"Classes need to be whole numbers or names, got the float {odd!r}. Give the targets as classes, or "
                'learn amounts: AutoDataset(..., kind="regression").'
            )
        return targets.astype(np.int64)
    if kind in ("regression", "binary"):
        if targets.dtype.kind not in "biuf":
            first = targets.ravel().tolist()[0]
            raise DataError(f'The targets of kind="{kind}" need to be numbers, got {first!r}.')
        return targets.astype(np.float64)
    return targets


def _called(values: Array) -> str:
    """What the values are, in a word."""
    words = {"U": "strings", "b": "booleans", "i": "integers", "u": "integers", "f": "floats"}
    return words.get(values.dtype.kind, str(values.dtype))


def _are_whole(numbers: Array) -> bool:
    return np.array_equal(numbers, np.round(numbers))


def _of_scale(numbers: Array) -> Array:
    """The same of 64 bits, each as short as it is written: 4.3 of 32 bits is 4.3, and -0.0 is 0.0."""
    found, places = np.unique(numbers.astype(np.float64) + 0.0, return_inverse=True)
    short = [float(str(np.float32(one))) if np.float32(one) == one else one for one in found]
    return np.array(short, np.float64)[places].reshape(numbers.shape)


def as_array(values: Any, what: str) -> Array:
    """A numpy array of tensors, arrays or nested lists.

    Raises:
        DataError: the rows have different shapes.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return np.asarray(values.float() if values.dtype in (torch.bfloat16, torch.float16) else values)
    try:
        return np.asarray(values)
    except ValueError as problem:
        raise DataError(f"The {what} need rows of one shape; numpy says: {problem}") from problem


def unusable_rows(values: Array) -> npt.NDArray[np.bool_]:
    """Which rows hold NaN, infinity or None."""
    if values.dtype.kind in "fc":
        bad = ~np.isfinite(values)
    elif values.dtype.kind == "O":
        bad = np.frompyfunc(lambda one: one is None or one != one, 1, 1)(values).astype(bool)
    else:
        return np.zeros(len(values), bool)
    return np.asarray(bad.reshape(len(values), -1).any(axis=1))


def _flat(targets: Array) -> Array:
    """(rows, 1) as (rows,), and objects as the strings they are."""
    flat = targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets
    if flat.dtype.kind != "O":
        return flat
    if not all(isinstance(one, str) for one in flat.ravel()):
        kinds = sorted({type(one).__name__ for one in flat.ravel()})
        raise DataError(f"Targets need to be all numbers or all strings, got a mixture of {', '.join(kinds)}.")
    return flat.astype(str)
