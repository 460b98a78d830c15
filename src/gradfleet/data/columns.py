"""Which columns of a table are inputs, target, split, group and weight: given, or guessed by name and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas
from PIL.Image import Image

from gradfleet.data.image_files import IMAGE_SUFFIXES
from gradfleet.data.part_names import PART_NAMES
from gradfleet.data.prepared import ReadAs
from gradfleet.data.problems import listed
from gradfleet.data.tables import are_numbers, is_text
from gradfleet.errors import DataError, unknown_name

_TEXTS = (
    "text", "sentence", "document", "dialogue", "article", "review", "tweet", "question", "content", "body",
    "message", "abstract", "source", "input",
)  # fmt: skip
_IMAGES = ("image", "image_path", "file", "filename", "file_name", "path", "img")
_TARGETS = ("label", "labels", "target", "targets", "class", "category", "sentiment", "intent", "emotion", "y")
_SUMMARIES = ("summary", "highlights", "tldr", "headline", "target", "labels", "label")
_SPLIT = "split"
_PERHAPS = frozenset(["question", "content", "body", "message", "source", "input"])
_SENTENCE = 20  # characters; shorter cells in a column that is perhaps of texts are categories
_SHOWN = 60  # characters of a cell in a message
_ASIDE = frozenset(["id", "idx", "index", "unnamed: 0", ""])


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table by what they are for.

    Attributes:
        inputs: empty to be guessed.
        target: empty to be guessed; several are a target with several outputs.
        split: the part of each row; None where a table has one part only.
        group: rows with the same value stay in one part.
        weight: how often a row is drawn, against other rows.
    """

    inputs: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    split: str | None = None
    group: str | None = None
    weight: str | None = None

    @classmethod
    def of(
        cls,
        inputs: str | Sequence[str] | None,
        target: str | Sequence[str] | None,
        split: str | None,
        group: str | None,
        weight: str | None,
    ) -> Columns:
        return cls(_names(inputs), _names(target), split, group, weight)

    def settle(self, frame: pandas.DataFrame, kind: ReadAs | None, *, wants_text: bool) -> tuple[Columns, str]:
        """The columns with what is open guessed, and the sentence that says so.

        Args:
            wants_text: whether the preparation is for texts.

        Raises:
            DataError: a column that was named is not there, or nothing fits.
        """
        self._check(frame)
        if not (self.inputs and self.target):
            _check_names(frame)
        settled = replace(
            self, split=self.split or _split_column(frame, {*self.inputs, *self.target, self.group, self.weight})
        )
        taken = {*settled.inputs, settled.split, settled.group, settled.weight}
        target = settled.target or _target(frame, kind, settled.inputs, taken)
        inputs = settled.inputs or _inputs(frame, {*taken, *target}, wants_text=wants_text)
        settled = replace(settled, inputs=inputs, target=target)
        aside = [name for name in frame.columns if name not in {*taken, *inputs, *target}]
        return settled, settled._said(aside)

    def _check(self, frame: pandas.DataFrame) -> None:
        named = [*self.inputs, *self.target, *(one for one in (self.split, self.group, self.weight) if one is not None)]
        problems = [unknown_name("column", name, frame.columns) for name in named if name not in frame.columns]
        if both := set(self.inputs) & set(self.target):
            problems.append(f"A column is an input or the target, not both: {listed(sorted(both))}.")
        if problems:
            raise DataError(problems)

    def _said(self, aside: Sequence[str]) -> str:
        said = f"From {listed(self.inputs)} the model learns {listed(self.target)}"
        roles = [f"{name!r} is the {role}" for role, name in self._roles() if name is not None]
        told = ", ".join([said, *roles])
        return f"{told}; not used: {listed(aside)}." if aside else f"{told}."

    def _roles(self) -> list[tuple[str, str | None]]:
        return [("split", self.split), ("group", self.group), ("weight", self.weight)]


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _check_names(frame: pandas.DataFrame) -> None:
    """Refuse a table whose first row was taken for the names of its columns."""
    known = {*_TEXTS, *_IMAGES, *_TARGETS, *_SUMMARIES, *_ASIDE, _SPLIT}
    if known & {name.lower() for name in frame.columns}:
        return
    for name in frame.columns:
        if is_text(frame[name]) and (frame[name] == name).any():
            raise DataError(
                f"The table seems to have no names: {name!r} is what a column is called and what it holds. Add a first "
                'line of names, such as text,label; or say that these are names: inputs="...", target="...".'
            )


def _split_column(frame: pandas.DataFrame, taken: set[str | None]) -> str | None:
    """A column called "split" that names the training part, or a part in most rows; others are refused later."""
    for name in frame.columns:
        if name.lower() == _SPLIT and name not in taken:
            parts = frame[name].dropna().astype(str).str.strip().str.lower().map(PART_NAMES)
            return name if (parts == "train").any() or parts.notna().mean() > 0.5 else None
    return None


def _target(
    frame: pandas.DataFrame, kind: ReadAs | None, inputs: Sequence[str], taken: set[str | None]
) -> tuple[str, ...]:
    names = [*_SUMMARIES, *_TARGETS] if kind == "text" else [*_TARGETS, *(_SUMMARIES if kind is None else ())]
    free = _free(frame, taken)
    fitting = [name for name in free if kind != "text" or is_text(frame[name])]
    for name in _called(frame[fitting], names):
        return (name,)
    # What is left beside the inputs, and the last of two columns, is the only target there can be.
    if len(free) == (1 if inputs else 2) and free[-1] in fitting:
        return (fitting[-1],)
    if (called := _called(frame[free], names)) and kind == "text":
        raise DataError(no_texts(frame[called[0]]))
    raise DataError(
        f"No column is called as a target ({', '.join(names[:4])}, ...); the columns are {listed(frame.columns)}. "
        'Say which one is to be learned: target="...".'
    )


def no_texts(column: pandas.Series) -> str:
    """The sentence that a column cannot be learned to be written."""
    first = column.dropna().head(1).tolist()
    such = f", such as {str(first[0])[:_SHOWN]} ({type(first[0]).__name__})" if first else ""
    return (
        f"Texts are learned to be written, and the column {column.name!r} holds other things{such}. Make them strings, "
        'or name another column: target="...".'
    )


def _inputs(frame: pandas.DataFrame, taken: set[str | None], *, wants_text: bool) -> tuple[str, ...]:
    free = _free(frame, taken)
    if not free:
        raise DataError(f"No column is left to learn from; the columns are {listed(frame.columns)}.")
    texts = [name for name in free if is_text(frame[name])]
    images = [name for name in [*_called(frame[free], _IMAGES), *free] if are_images(frame[name])]
    if images and not wants_text:
        return (images[0],)
    for name in _called(frame[texts], _TEXTS):
        if wants_text or len(free) == 1 or name.lower() not in _PERHAPS or _mean_length(frame[name]) >= _SENTENCE:
            return (name,)
    if not wants_text and not (len(free) == 1 and texts):
        return tuple(free)
    if not texts:
        numbers = [name for name in [*_called(frame[free], _TEXTS), *free] if are_numbers(frame[name])]
        advice = f"To read the numbers of {numbers[0]!r} as texts, say so: inputs={numbers[0]!r}." if numbers else ""
        raise DataError(f"No column holds texts; the columns are {listed(frame.columns)}. {advice}".rstrip())
    return (max(texts, key=lambda name: _mean_length(frame[name])),)


def _free(frame: pandas.DataFrame, taken: set[str | None]) -> list[str]:
    return [name for name in frame.columns if name not in taken and name.lower() not in _ASIDE]


def _called(frame: pandas.DataFrame, names: Sequence[str]) -> list[str]:
    """The columns of these names, in the names' order, whatever their case."""
    by_name = {name.lower(): name for name in reversed(list(frame.columns))}
    return [by_name[name] for name in names if name in by_name]


def are_images(column: pandas.Series) -> bool:
    """Whether the cells are names of image files, encoded images or Pillow images; the first hundred tell."""
    some = list(column.dropna().head(100)) if column.dtype == object or is_text(column) else []
    return bool(some) and all(map(_is_image, some))


def _is_image(cell: Any) -> bool:
    if isinstance(cell, str):
        return any(cell.lower().endswith(suffix) for suffix in IMAGE_SUFFIXES)
    if isinstance(cell, Mapping):  # as Hugging Face datasets hold them
        return set(cell) == {"bytes", "path"}
    return isinstance(cell, bytes | Image)


def _mean_length(column: Any) -> float:
    return float(column.dropna().head(1000).str.len().mean() or 0)
