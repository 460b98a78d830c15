"""The inputs of a table in the form that they are kept in: texts, images, numbers as they are, or encoded columns."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas

from gradfleet.data.columns import are_images
from gradfleet.data.decoding import decode_to
from gradfleet.data.language import TextPreparation
from gradfleet.data.preparation import Preparation, preparation_from_json
from gradfleet.data.prepared import INPUTS, DataFacts
from gradfleet.data.problems import listed
from gradfleet.data.rows import slim, statistics
from gradfleet.data.source import Form
from gradfleet.data.stored_texts import write_texts
from gradfleet.data.tables import is_text, missing
from gradfleet.data.tabular import TablePreparation
from gradfleet.data.vision import ImagePreparation, said_of_images
from gradfleet.errors import DataError

Problems = dict[int, str]
_SHOWN = 60  # characters of a cell in a message
_TRIED = 100  # names by which the folder of the files is found


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

    def bad_rows(self, frame: pandas.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
        """Rows that cannot be used, by the reason."""
        return {f"nothing in {name!r}": missing(frame[name]) for name in self.columns}

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
    """One column of strings."""

    form = "texts"

    def __init__(self, columns: Sequence[str], preparation: TextPreparation | None) -> None:
        super().__init__(columns)
        self.preparation: TextPreparation = preparation or TextPreparation()

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

    def bad_rows(self, frame: pandas.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
        floats = [name for name in self.columns if frame[name].dtype.kind == "f"]
        infinite = {f"infinity in {name!r}": np.isinf(frame[name].to_numpy()) for name in floats}
        return super().bad_rows(frame) | infinite

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

    def bad_rows(self, frame: pandas.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
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

    def __init__(self, columns: Sequence[str], preparation: Preparation | None, root: Path) -> None:
        super().__init__(columns)
        self.preparation: Preparation = preparation or ImagePreparation()
        self._root = root

    def fit(self, frame: pandas.DataFrame, written: Sequence[str] = ()) -> None:
        self.preparation = self.preparation.fit(self.items(frame))

    def bad_rows(self, frame: pandas.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
        items = self.items(frame)
        absent = np.array([isinstance(item, Path) and not os.path.exists(item) for item in items], bool)
        first = frame[self.columns[0]].iloc[int(absent.argmax())] if absent.any() else ""
        return super().bad_rows(frame) | {f"no file for {self.columns[0]!r}, such as {first!r},": absent}

    def facts(self, folder: Path, facts: DataFacts, targets: npt.NDArray[Any]) -> DataFacts:
        facts = super().facts(folder, facts, targets)
        return replace(facts, notes=(*facts.notes, said_of_images(self.preparation, facts.input_shape)))

    def items(self, frame: pandas.DataFrame) -> list[Any]:
        """Files as paths below the folder of their table, or below the one folder beside it that has them."""
        cells = frame[self.columns[0]].tolist()
        root = _folder_of([cell for cell in cells if isinstance(cell, str)], self._root)
        return [_item(cell, root) for cell in cells]

    def write(self, folder: Path, frame: pandas.DataFrame) -> Problems:
        return decode_to(folder / INPUTS, self.preparation, self.items(frame))


def _item(cell: Any, root: Path) -> Any:
    if isinstance(cell, Mapping):
        return cell["bytes"] or root / cell["path"]
    return root / cell if isinstance(cell, str) and cell else cell


def _folder_of(names: Sequence[str], root: Path) -> Path:
    """`root`, unless it has none of the first files and exactly one folder in it has some."""

    def has(folder: Path) -> bool:
        return any(os.path.exists(folder / name) for name in names[:_TRIED])

    if not names or not root.is_dir() or has(root):
        return root
    found = [folder for folder in root.iterdir() if folder.is_dir() and has(folder)]
    return found[0] if len(found) == 1 else root


def with_paths(frame: pandas.DataFrame, columns: Sequence[str], table: Any) -> pandas.DataFrame:
    """A table's frame with its image files as whole paths; one that is no file, or names none, as it is."""
    name = columns[0]
    if not isinstance(table, Path) or name not in frame or not is_text(frame[name]) or not are_images(frame[name]):
        return frame
    files = Images([name], None, table.absolute().parent).items(frame)
    return frame.assign(**{name: [str(file) if isinstance(file, Path) else file for file in files]})


def choose(frame: pandas.DataFrame, columns: Sequence[str], preparation: Preparation | None, root: Path) -> TableInputs:
    """The form that fits the columns of the training rows and the preparation that was given.

    Raises:
        DataError: they do not fit together.
    """
    alone = frame[columns[0]] if len(columns) == 1 else None
    if isinstance(preparation, TablePreparation):
        return Encoded(columns, preparation)
    if isinstance(preparation, TextPreparation) or (preparation is None and alone is not None and _is_language(alone)):
        if alone is None or not is_text(alone):
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
        return Images(columns, preparation, root)
    if all(frame[name].dtype.kind in "biuf" for name in columns) or (alone is not None and _are_arrays(alone)):
        return Numbers(columns)
    return Encoded(columns, None)


def of_facts(facts: DataFacts, root: Path) -> TableInputs:
    """The form that made `facts`, fitted."""
    columns = facts.columns["inputs"]
    if facts.preparation is None:
        return Numbers(columns)
    preparation = preparation_from_json(facts.preparation)
    if isinstance(preparation, TextPreparation):
        return Texts(columns, preparation)
    if isinstance(preparation, TablePreparation):
        return Encoded(columns, preparation)
    return Images(columns, preparation, root)


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
