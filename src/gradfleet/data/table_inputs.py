"""The inputs of a table in the form that they are kept in: texts, images, numbers as they are, or encoded columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas

from gradfleet.data.columns import are_images
from gradfleet.data.decoding import decode_to
from gradfleet.data.files_of_tables import Files
from gradfleet.data.language import TextPreparation
from gradfleet.data.preparation import Preparation, preparation_from_json
from gradfleet.data.prepared import INPUTS, DataFacts
from gradfleet.data.problems import listed
from gradfleet.data.rows import slim, statistics
from gradfleet.data.source import Form
from gradfleet.data.stored_texts import write_texts
from gradfleet.data.tables import are_numbers, as_texts, is_text, missing
from gradfleet.data.tabular import TablePreparation
from gradfleet.data.vision import ImagePreparation, said_of_images
from gradfleet.errors import DataError

Problems = dict[int, str]
_SHOWN = 60  # characters of a cell in a message


class TableInputs(ABC):
    """One form of inputs.

    Attributes:
        columns: that are read.
        preparation: what is done to them; None for numbers that are taken as they are.
    """

    form: ClassVar[Form] = "columns"
    preparation: Any = None

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)

    def bad_rows(self, frame: pandas.DataFrame, files: Files) -> dict[str, npt.NDArray[np.bool_]]:
        """Rows that cannot be used, by the reason.

        Args:
            files: of the table that the frame was read from.
        """
        return {f"nothing in {name!r}": missing(frame[name]) for name in self.columns}

    def said(self, frame: pandas.DataFrame) -> list[str]:
        """What is worth knowing of how the training rows are read."""
        return []

    def meant(self, frame: pandas.DataFrame, files: Files) -> pandas.DataFrame:
        """The frame with what its cells stand for, such as the whole path of a file; `fit` and `write` take such."""
        return frame

    @abstractmethod
    def fit(self, frame: pandas.DataFrame, written: Sequence[str] = ()) -> None:
        """Settle the preparation on the training rows, and on the texts that are to be written."""

    @abstractmethod
    def write(self, folder: Path, frame: pandas.DataFrame) -> Problems:
        """Write all rows; what is wrong with each that could not be read."""

    def facts(self, folder: Path, facts: DataFacts, targets: npt.NDArray[Any]) -> DataFacts:
        """What there is to know, of the first `len(targets)` rows where it is learned."""
        inputs = np.load(folder / INPUTS, mmap_mode="r")
        facts = replace(facts, input_shape=tuple(inputs.shape[1:]))
        if self.preparation is None:
            facts = replace(facts, input_type=str(inputs.dtype))
        else:
            facts = replace(facts, preparation=self.preparation.to_json())
        return replace(facts, statistics=statistics(inputs[: len(targets)], targets, facts))


class Texts(TableInputs):
    """One column of strings; numbers are the texts that they are written as."""

    form = "texts"

    def __init__(self, columns: Sequence[str], preparation: TextPreparation | None) -> None:
        super().__init__(columns)
        self.preparation: TextPreparation = preparation or TextPreparation()

    def said(self, frame: pandas.DataFrame) -> list[str]:
        name = self.columns[0]
        return [] if is_text(frame[name]) else [f"The numbers in {name!r} are read as texts."]

    def meant(self, frame: pandas.DataFrame, files: Files) -> pandas.DataFrame:
        return frame.assign(**{self.columns[0]: as_texts(frame[self.columns[0]])})

    def fit(self, frame: pandas.DataFrame, written: Sequence[str] = ()) -> None:
        self.preparation = self.preparation.fit([*frame[self.columns[0]], *written])

    def write(self, folder: Path, frame: pandas.DataFrame) -> Problems:
        write_texts(folder, frame[self.columns[0]].tolist(), self.preparation, "inputs")
        return {}

    def facts(self, folder: Path, facts: DataFacts, targets: npt.NDArray[Any]) -> DataFacts:
        tokens = self.preparation.facts()
        vocabulary_size = tokens[self.preparation.view]["vocabulary_size"]
        counts = np.bincount(targets, minlength=facts.num_outputs).tolist() if facts.kind == "multiclass" else None
        return replace(
            facts,
            input_shape=(self.preparation.max_length,),
            num_outputs=vocabulary_size if facts.kind == "text" else facts.num_outputs,
            preparation=self.preparation.to_json(),
            tokens=tokens,
            statistics={} if counts is None else {"class_counts": counts},
        )


class Numbers(TableInputs):
    """Columns of numbers, taken as an array of them would be."""

    def bad_rows(self, frame: pandas.DataFrame, files: Files) -> dict[str, npt.NDArray[np.bool_]]:
        floats = [name for name in self.columns if frame[name].dtype.kind == "f"]
        infinite = {f"infinity in {name!r}": np.isinf(frame[name].to_numpy()) for name in floats}
        return super().bad_rows(frame, files) | infinite

    def fit(self, frame: pandas.DataFrame, written: Sequence[str] = ()) -> None:
        return

    def write(self, folder: Path, frame: pandas.DataFrame) -> Problems:
        np.save(folder / INPUTS, numbers_of(frame, self.columns))
        return {}


class Encoded(TableInputs):
    """Columns of numbers and categories, through a TablePreparation, which knows what to do where there is nothing."""

    def __init__(self, columns: Sequence[str], preparation: TablePreparation | None) -> None:
        super().__init__(columns)
        self.preparation: TablePreparation = preparation or TablePreparation()

    def bad_rows(self, frame: pandas.DataFrame, files: Files) -> dict[str, npt.NDArray[np.bool_]]:
        floats = [name for name in self.columns if frame[name].dtype.kind == "f"]
        return {f"infinity in {name!r}": np.isinf(frame[name].to_numpy()) for name in floats}

    def fit(self, frame: pandas.DataFrame, written: Sequence[str] = ()) -> None:
        self.preparation = self.preparation.fit(frame[self.columns])

    def write(self, folder: Path, frame: pandas.DataFrame) -> Problems:
        np.save(folder / INPUTS, self.preparation.apply_frame(frame[self.columns]))
        return {}


class Images(TableInputs):
    """One column of image files, or of whatever else the preparation takes."""

    form = "images"

    def __init__(self, columns: Sequence[str], preparation: Preparation | None) -> None:
        super().__init__(columns)
        self.preparation: Preparation = preparation or ImagePreparation()

    def bad_rows(self, frame: pandas.DataFrame, files: Files) -> dict[str, npt.NDArray[np.bool_]]:
        return super().bad_rows(frame, files) | files.bad_rows(frame[self.columns[0]])

    def meant(self, frame: pandas.DataFrame, files: Files) -> pandas.DataFrame:
        items = files.items(frame[self.columns[0]].tolist())
        return frame.assign(**{self.columns[0]: pandas.Series(items, frame.index, dtype=object)})

    def fit(self, frame: pandas.DataFrame, written: Sequence[str] = ()) -> None:
        self.preparation = self.preparation.fit(self.items(frame))

    def facts(self, folder: Path, facts: DataFacts, targets: npt.NDArray[Any]) -> DataFacts:
        facts = super().facts(folder, facts, targets)
        return replace(facts, notes=(*facts.notes, said_of_images(self.preparation, facts.input_shape)))

    def items(self, frame: pandas.DataFrame) -> list[Any]:
        """What the preparation takes, of each row."""
        return frame[self.columns[0]].tolist()

    def write(self, folder: Path, frame: pandas.DataFrame) -> Problems:
        return decode_to(folder / INPUTS, self.preparation, self.items(frame))


def choose(frame: pandas.DataFrame, columns: Sequence[str], preparation: Preparation | None) -> TableInputs:
    """The form that fits the columns of the training rows and the preparation that was given.

    Raises:
        DataError: they do not fit together.
    """
    alone = frame[columns[0]] if len(columns) == 1 else None
    if isinstance(preparation, TablePreparation):
        return Encoded(columns, preparation)
    if isinstance(preparation, TextPreparation) or (preparation is None and alone is not None and _is_language(alone)):
        if alone is None or not (is_text(alone) or are_numbers(alone)):
            raise DataError(f"Texts need to be one column of strings, got {listed(columns)}.")
        return Texts(columns, preparation)
    if preparation is not None or (alone is not None and are_images(alone)):
        if alone is None:
            raise DataError(f"A {type(preparation).__name__} takes one column, got {listed(columns)}.")
        if isinstance(preparation, ImagePreparation) and is_text(alone) and not are_images(alone):
            raise DataError(
                f"Images need to be one column of files, such as 'rose/1.jpg'; {columns[0]!r} has "
                f'{alone.dropna().iloc[0][:_SHOWN]!r}. Say which column: inputs="...".'
            )
        return Images(columns, preparation)
    if all(frame[name].dtype.kind in "biuf" for name in columns) or (alone is not None and _are_arrays(alone)):
        return Numbers(columns)
    return Encoded(columns, None)


def of_facts(facts: DataFacts) -> TableInputs:
    """The form that made `facts`, fitted."""
    columns = facts.columns["inputs"]
    if facts.preparation is None:
        return Numbers(columns)
    preparation = preparation_from_json(facts.preparation)
    if isinstance(preparation, TextPreparation):
        return Texts(columns, preparation)
    if isinstance(preparation, TablePreparation):
        return Encoded(columns, preparation)
    return Images(columns, preparation)


def numbers_of(frame: pandas.DataFrame, columns: Sequence[str]) -> npt.NDArray[Any]:
    """Columns of numbers as the inputs that an array of them would be: (rows, columns) of float32, or int64."""
    if len(columns) == 1 and frame[columns[0]].dtype == object:
        return slim(np.stack([np.asarray(cell) for cell in frame[columns[0]]]))
    kinds = {frame[name].dtype.kind for name in columns}
    # A copy, because what pandas hands out may be its own memory.
    return frame[list(columns)].to_numpy(dtype=np.int64 if kinds <= set("iu") else np.float32, copy=True)


def _are_arrays(column: pandas.Series) -> bool:
    """Whether the cells are arrays of numbers, of one shape."""
    if column.dtype != object:
        return False
    found = {(np.shape(cell), np.asarray(cell).dtype.kind) for cell in column if isinstance(cell, np.ndarray | list)}
    return (
        len(found) == 1
        and next(iter(found))[1] in "biuf"
        and all(isinstance(cell, np.ndarray | list) for cell in column)
    )


def _is_language(column: pandas.Series) -> bool:
    return is_text(column) and not are_images(column)
