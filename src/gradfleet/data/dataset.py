"""AutoDataset: whatever data somebody has, checked, split, prepared once and known by its content."""

from __future__ import annotations

import copy
import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

from gradfleet.data.cache import prepare_once
from gradfleet.data.columns import Columns
from gradfleet.data.encoders import by_label
from gradfleet.data.fingerprint import of_json
from gradfleet.data.preparation import Preparation
from gradfleet.data.prepared import DataFacts, DataRef, Kind, Part, PreparedData, ReadAs, read_test, remember
from gradfleet.data.source import Form, Settings, Source
from gradfleet.data.sources import open_source
from gradfleet.data.targets import as_array
from gradfleet.errors import DataError, unknown_name

_ON_BAD_ROWS = ("raise", "skip")


class AutoDataset:
    """Training, validation and test data from one source.

    Args:
        source: the path of a folder with a folder of images a class, or of one with such folders as `train/`, `val/`
            (or `valid/`, `validation/`, `dev/`) and `test/`; a table: the path of a CSV, TSV, JSON lines, JSON or
            Parquet file (also compressed), a pandas frame, a dict of columns or a list of dicts; a pair (inputs,
            targets) of arrays, tensors or lists, or of texts and their labels; a torch Dataset or DataLoader of such
            pairs.
        validation, test: the same kind of thing, where the source does not hold it. Without validation data a part of
            the training rows is held out: stratified by class, random for regression and multilabel.
        validation_fraction: of the rows, when validation data has to be held out.
        validation_rows: how many of them are enough: of many rows about so many are held out, and at least a
            twentieth. By default the fraction is held out of however many rows.
        seed: of that split.
        preparation: how raw files become tensors; by default an ImagePreparation or, for texts, a TextPreparation.
        on_bad_rows: "raise" refuses unreadable images and rows with NaN; "skip" leaves them out and lists them in
            `notes`.
        inputs: of a table, the column or columns to learn from; guessed by name and content, and said, when not given.
        target: of a table, the column to be learned, or several.
        split: of a table, the column that says train, validation or test; one of that name is found by itself.
        group: rows with the same value of this column stay in one part; for arrays a value a row.
        weight: how often a training row is drawn against others: a column, or for arrays a number a row.
        balance: whether training draws every class as often as any other.
        kind: of problem, where the rule of `gradfleet.data.targets` would say another; "text" for texts to be written,
            "ordinal" for classes that are a few numbers of a scale, such as half stars.

    Raises:
        DataError: nothing can be learned from this; every reason is listed. What only a look at every byte can tell
            (a truncated image) is raised by `prepare` and `open`.

    Example:
        >>> data = AutoDataset(([[0.0], [0.1], [0.9], [1.0]], ["low", "low", "high", "high"]))
        >>> data.kind, data.labels, data.open().facts.num_rows
        ('multiclass', ('high', 'low'), {'train': 2, 'validation': 2})
    """

    def __init__(
        self,
        source: Any,
        *,
        validation: Any = None,
        test: Any = None,
        validation_fraction: float = 0.2,
        validation_rows: int | None = None,
        seed: int = 0,
        preparation: Preparation | None = None,
        on_bad_rows: str = "raise",
        inputs: str | Sequence[str] | None = None,
        target: str | Sequence[str] | None = None,
        split: str | None = None,
        group: Any = None,
        weight: Any = None,
        balance: bool = False,
        kind: ReadAs | None = None,
    ) -> None:
        _check(validation_fraction, validation_rows, seed, on_bad_rows)
        parts = {name: part for name, part in (("validation", validation), ("test", test)) if part is not None}
        group_column, groups = _column_or_values(group)
        weight_column, weights = _column_or_values(weight)
        columns = Columns.of(inputs, target, split, group_column, weight_column)
        settings = Settings(
            validation_fraction,
            seed,
            on_bad_rows,
            preparation,
            columns,
            kind,
            groups,
            weights,
            balance,
            validation_rows=validation_rows,
        )
        self._given = source, parts, settings
        self._source: Source = self._opened_source(*self._given)
        self._facts: DataFacts | None = None
        self._opened: PreparedData | None = None
        self._scores: tuple[float, ...] = ()
        self._notes_of_test: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """Of problem, by rule (see `gradfleet.data.targets`)."""
        return self._source.kind

    @property
    def form(self) -> Form:
        """What its inputs are: "images", "texts", other "columns" of a table, "arrays", or "objects" of a Dataset."""
        return self._source.form

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Class names in class-number order; None for regression, multilabel and classes given as numbers from 0."""
        return self._source.labels

    @property
    def preparation(self) -> Preparation | None:
        """What was given as such; None where the source chooses by itself."""
        return self._given[2].preparation

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits of the content: the same for the same data in another place or split.

        Folders and arrays are read whole; of Datasets and DataLoaders up to 64 examples, the length and the type.
        """
        return self._source.fingerprint

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen or left out, a sentence each; complete once the data is prepared."""
        return (*(self._facts.notes if self._facts else self._source.notes), *self._notes_of_test)

    def scored(self, scores: Mapping[Any, Any]) -> AutoDataset:
        """The same data, whose classes have an order: a model of it tells the mean score beside a label.

        Args:
            scores: a number for each label; where there are none, for each class number.

        Raises:
            DataError: the data has no classes, one of them has no score or none that is a number, or a score is of no
                class.
        """
        if self.kind != "multiclass":
            raise DataError(f"Scores are of classes, and this data is {self.kind}.")
        labels = self.labels or tuple(str(number) for number in range(self.open().facts.num_outputs))
        given = by_label(scores, labels)
        if set(given) != set(labels):
            raise DataError(
                f"Scores are of the classes {', '.join(labels[:8])}, got some of {', '.join(list(given)[:8])}."
            )
        odd = [score for score in given.values() if not isinstance(score, Real) or not math.isfinite(score)]
        if odd:
            raise DataError(f"A score is a finite number, got {odd[0]!r}.")
        scored = copy.copy(self)
        scored._scores = tuple(float(given[label]) for label in labels)
        scored._facts = scored._opened = None
        return scored

    def folds(self, number: int) -> tuple[AutoDataset, ...]:
        """As many datasets of the same rows, each with another part of them for validation.

        Folds are stratified by class, or by bins of amounts; whole groups stay together. Everything that is fitted,
        such as encoders and tokenizers, is fitted anew on each fold's training rows.

        Raises:
            DataError: fewer than two folds, or the data has a validation part of its own.
        """
        if number < 2:
            raise DataError(f"At least two folds are needed, got {number!r}.")
        if not self._source.held_out:
            raise DataError("Folds are made of training rows, but this data has a validation part of its own.")
        return tuple(self._fold(one, number) for one in range(number))

    def _fold(self, number: int, of: int) -> AutoDataset:
        source, parts, settings = self._given
        fold = copy.copy(self)
        fold._given = source, parts, replace(settings, fold=(number, of))
        fold._source, fold._facts, fold._opened = self._opened_source(*fold._given), None, None
        return fold

    @staticmethod
    def _opened_source(source: Any, parts: Mapping[str, Any], settings: Settings) -> Source:
        with settings.scratch.naming():
            opened = open_source(source, parts, settings)
        opened.notes = [settings.scratch.told(note) for note in opened.notes]
        return opened

    def prepare(self, folder: str | os.PathLike[str]) -> DataRef:
        """Prepare the data once, in a subfolder of `folder` named after content and settings; later calls find it.

        Raises:
            DataError: files that cannot be read, each named; nothing that was written remains.
            ExecutionError: a Dataset that cannot be pickled, with what is in the way.
        """
        key = of_json([self._source.key, *self._scores]) if self._scores else self._source.key
        place = prepare_once(Path(folder).absolute(), key, self._fill)
        ref = DataRef(self.fingerprint, str(place))
        opened = self._original or ref.open()
        if self._source.has_test:
            opened = replace(opened, hidden=self._read_test)
        self._opened = remember(ref.place, opened)
        self._facts = opened.facts
        return ref

    def open(self) -> PreparedData:
        """The prepared data for direct use in this process; files that it needs go when this object does."""
        if self._opened is None:
            self._opened = self._original or self._open_temporarily()
            self._facts = self._opened.facts
        return self._opened

    @property
    def _original(self) -> PreparedData | None:
        original = self._source.original
        return None if original is None else replace(original, facts=self._with_scores(original.facts))

    def _with_scores(self, facts: DataFacts) -> DataFacts:
        return replace(facts, label_scores=self._scores)

    def _open_temporarily(self) -> PreparedData:
        folder = tempfile.mkdtemp(prefix="gradfleet-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return self.prepare(folder).open()

    def _read_test(self) -> Part:
        """The test part, prepared as the others were; nothing of it was read before."""
        assert self._facts is not None, "the others are prepared first"
        folder = tempfile.mkdtemp(prefix="gradfleet-test-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return read_test(prepare_once(Path(folder), "test", partial(self._fill_test, self._facts)))

    def _fill_test(self, facts: DataFacts, draft: Path) -> dict[str, Any]:
        scratch = self._given[2].scratch
        with scratch.naming():
            filled = self._source.fill_test(draft, facts)
        self._notes_of_test = tuple(map(scratch.told, filled.notes))
        return {"facts": filled.to_json()}

    def _fill(self, draft: Path) -> dict[str, Any]:
        scratch = self._given[2].scratch
        with scratch.naming():
            facts = self._source.fill(draft)
        facts = replace(self._with_scores(facts), notes=tuple(map(scratch.told, facts.notes)))
        return {"fingerprint": self.fingerprint, "facts": facts.to_json()}


def _column_or_values(given: Any) -> tuple[str | None, Any]:
    """The name of a column, or a value a row."""
    if given is None or isinstance(given, str):
        return given, None
    return None, as_array(given, "values of group= and weight=")


def _check(validation_fraction: float, validation_rows: object, seed: object, on_bad_rows: str) -> None:
    problems = []
    if not 0 < validation_fraction < 1:
        problems.append(f"validation_fraction is between 0 and 1, got {validation_fraction!r}. Most take 0.2.")
    if validation_rows is not None and (not isinstance(validation_rows, int) or validation_rows < 1):
        problems.append(f"validation_rows is a whole number from 1, or None, got {validation_rows!r}. Many take 1,000.")
    if not isinstance(seed, int) or seed < 0:
        problems.append(f"A seed is a whole number from 0, got {seed!r}.")
    if on_bad_rows not in _ON_BAD_ROWS:
        problems.append(unknown_name("way with bad rows", on_bad_rows, _ON_BAD_ROWS))
    if problems:
        raise DataError(problems)
