"""Tables as a source: files, frames, dicts and lists of dicts, with columns of texts or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas

from gradfleet.data import fingerprint
from gradfleet.data.column_targets import ColumnTargets, bad_targets
from gradfleet.data.columns import Columns
from gradfleet.data.language import TextPreparation
from gradfleet.data.prepared import PARTS, TARGETS, DataFacts
from gradfleet.data.problems import LIMIT, counted, listed
from gradfleet.data.rows import save_rows, statistics
from gradfleet.data.source import Settings, Source, split
from gradfleet.data.stored_texts import write_texts
from gradfleet.data.tables import is_text, missing, read_table
from gradfleet.errors import DataError, Problems

Frames = dict[str, pandas.DataFrame]
_PARTS = {"training": "train", "val": "validation", "valid": "validation", "dev": "validation", "testing": "test"}


class TableSource(Source):
    """Rows of a table, checked at birth. A test part is only read when it is asked for."""

    def __init__(self, given: Any, parts: Mapping[str, Any], settings: Settings) -> None:
        self.settings, self.notes = settings, []
        self._hidden = parts.get("test")
        frames, columns = self._read(given, {name: part for name, part in parts.items() if name != "test"})
        self._columns = columns
        frames = self._usable(frames)
        self._targets = self._fit_targets(frames)
        self.kind = self._targets.kind
        self.labels = self._targets.reader.labels if self._targets.reader else None
        self.held_out = "validation" not in frames
        self._frames = self._split(frames)
        self._read_targets = {part: self._targets.read(frame, part) for part, frame in self._frames.items()}
        self.notes += self._said_of_parts()

    # -- reading and checking ------------------------------------------------------------------------------------------

    def _read(self, given: Any, parts: Mapping[str, Any]) -> tuple[Frames, Columns]:
        """The frame of each part that is not hidden, and the columns settled on the training rows."""
        train = self._frame(given)
        wants_text = isinstance(self.settings.preparation, TextPreparation)
        columns, said = self.settings.columns.settle(train, self.settings.kind, wants_text=wants_text)
        self.notes.append(said)
        frames = self._own_parts(train, columns.split) if columns.split is not None else {"train": train}
        for part, one in parts.items():
            if part in frames:
                raise DataError(f"The column {columns.split!r} names {part} rows already, so leave out {part}=.")
            frames[part] = self._frame(one)
        if "test" in frames:
            if self._hidden is not None:
                raise DataError(f"The column {columns.split!r} names test rows already, so leave out test=.")
            self._hidden = frames.pop("test")
        needed = [*columns.inputs, *columns.target]
        _check_columns(frames, needed)
        return frames, columns

    def _frame(self, given: Any) -> pandas.DataFrame:
        frame, said = read_table(given, skip_bad_lines=self.settings.skips)
        self.notes += said
        return frame

    def _own_parts(self, frame: pandas.DataFrame, column: str) -> Frames:
        named = frame[column].astype(str).str.lower().map(lambda name: _PARTS.get(name, name))
        unknown = sorted(set(named) - set(PARTS))
        if unknown:
            raise DataError(
                f"The column {column!r} needs to say train, validation (or val, dev) or test in each row, got "
                f"{listed(unknown)}."
            )
        frames = {part: frame[(named == part).to_numpy()] for part in PARTS if (named == part).any()}
        if "train" not in frames:
            raise DataError(
                f"The column {column!r} needs rows that train, got only {listed(frames)}. Pass the training rows as "
                "the source and these as validation= or test=."
            )
        return frames

    def _usable(self, frames: Frames) -> Frames:
        """The rows that have what is needed; else every problem of every part at once."""
        problems, usable = list[str](), {}
        for part, frame in frames.items():
            bad = self._bad_rows(frame)
            for reason, rows in bad.items():
                problems.append(_told(part, reason, frame.index[rows].tolist()))
            kept = ~np.any(list(bad.values()), axis=0) if bad else np.ones(len(frame), bool)
            usable[part] = frame[kept]
        if problems and not self.settings.skips:
            raise DataError([*problems, 'Pass on_bad_rows="skip" to leave these rows out.'])
        self.notes += [f"Left out: {one}" for one in problems]
        if empty := [part for part, frame in usable.items() if not len(frame)]:
            raise DataError([*problems, f"No row of the {' and '.join(empty)} data is left."])
        return usable

    def _bad_rows(self, frame: pandas.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
        found = {f"nothing in {name!r}": missing(frame[name]) for name in self._columns.inputs}
        for name in self._columns.inputs:
            if frame[name].dtype.kind == "f":
                found[f"infinity in {name!r}"] = np.isinf(frame[name].to_numpy())
        if self.settings.kind != "multilabel":
            targets = ", ".join(map(repr, self._columns.target))
            found[f"no target in {targets}"] = bad_targets(frame, self._columns.target)
        return {reason: rows for reason, rows in found.items() if rows.any()}

    def _fit_targets(self, frames: Frames) -> ColumnTargets:
        """The reader of the target, fitted on training rows; a wrong one and a wrong input are told together."""
        problems, targets = Problems(), None
        with problems:
            targets = ColumnTargets.fit(frames["train"], self._columns.target, self.settings.kind)
        with problems:
            self._check_inputs(frames["train"])
        if problems or targets is None:
            raise DataError(problems)
        self.notes.append(targets.note(frames["train"]))
        return targets

    def _check_inputs(self, frame: pandas.DataFrame) -> None:
        if not self._reads_text(frame):
            texts = [name for name in self._columns.inputs if frame[name].dtype.kind not in "biuf"]
            if texts:
                raise DataError(
                    f"Inputs need to be one column of texts, or columns of numbers; other kinds have {listed(texts)}."
                )

    def _reads_text(self, frame: pandas.DataFrame) -> bool:
        inputs = self._columns.inputs
        return len(inputs) == 1 and is_text(frame[inputs[0]])

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _split(self, frames: Frames) -> Frames:
        if not self.held_out:
            return frames
        train = frames["train"]
        values = self._targets.read(train, "train")
        stratify = self._targets.reader is not None and self._targets.reader.classes
        if stratify and self._targets.form == "values":
            values = train[self._columns.target[0]].to_numpy(dtype=str)
        rows, held, said = split(values if stratify else None, len(train), self.settings)
        self.notes.append(said)
        return {**frames, "train": train.iloc[rows], "validation": train.iloc[held]}

    def _said_of_parts(self) -> list[str]:
        return []

    # -- what is kept --------------------------------------------------------------------------------------------------

    def _fingerprint(self) -> str:
        # What is hidden for the final test stays unread. The split does not count, the order of the rows does.
        parts = ["train", *(["validation"] if not self.held_out else [])]
        frames = [pandas.concat(list(self._frames.values())).sort_index()] if self.held_out else self._frames.values()
        inputs, target = list(self._columns.inputs), list(self._columns.target)
        content = [[fingerprint.of_column(frame[name]) for name in [*inputs, *target]] for frame in frames]
        return fingerprint.of_json([self.kind, inputs, target, dict(zip(parts, content, strict=True))])

    @cached_property
    def _rows(self) -> pandas.DataFrame:
        """The rows of every part that is not hidden, one part after the other."""
        return pandas.concat([self._frames[part] for part in PARTS if part in self._frames])

    def fill(self, folder: Path) -> DataFacts:
        targets = np.concatenate([self._read_targets[part] for part in PARTS if part in self._frames])
        facts = DataFacts(
            self.kind,
            (),
            self._targets.reader.num_outputs if self._targets.reader else 0,
            self.labels,
            num_rows={part: len(self._frames[part]) for part in PARTS if part in self._frames},
            columns={"inputs": list(self._columns.inputs), "target": list(self._columns.target)},
        )
        write = self._write_texts if self._reads_text(self._frames["train"]) else self._write_numbers
        return replace(write(folder, targets, facts), notes=tuple(self.notes))

    def _write_texts(self, folder: Path, targets: npt.NDArray[Any], facts: DataFacts) -> DataFacts:
        given = self.settings.preparation
        assert given is None or isinstance(given, TextPreparation)
        texts = self._rows[self._columns.inputs[0]].tolist()
        num_train = facts.num_rows["train"]
        learned = texts[:num_train] + (targets[:num_train].tolist() if self.kind == "text" else [])
        preparation = (given or TextPreparation()).fit(learned)
        write_texts(folder, texts, preparation, "inputs")
        if self.kind == "text":
            write_texts(folder, targets.tolist(), preparation, "targets")
        else:
            np.save(folder / TARGETS, targets)
        tokens = preparation.facts()
        return replace(
            facts,
            input_shape=(preparation.max_length,),
            num_outputs=tokens[preparation.view]["vocabulary_size"] if self.kind == "text" else facts.num_outputs,
            preparation=preparation.to_json(),
            tokens=tokens,
            statistics=_class_counts(targets[:num_train], facts),
        )

    def _write_numbers(self, folder: Path, targets: npt.NDArray[Any], facts: DataFacts) -> DataFacts:
        inputs = numbers_of(self._rows, self._columns.inputs)
        save_rows(folder, inputs, targets, np.arange(len(inputs)))
        num_train = facts.num_rows["train"]
        facts = replace(facts, input_shape=inputs.shape[1:])
        return replace(facts, statistics=statistics(inputs[:num_train], targets[:num_train], facts))


def numbers_of(frame: pandas.DataFrame, columns: Sequence[str]) -> npt.NDArray[Any]:
    """Columns of numbers as the inputs that an array of them would be: (rows, columns) of float32, or int64."""
    kinds = {frame[name].dtype.kind for name in columns}
    return frame[list(columns)].to_numpy(dtype=np.int64 if kinds <= set("iu") else np.float32)


def _class_counts(targets: npt.NDArray[Any], facts: DataFacts) -> dict[str, list[float]]:
    if facts.kind != "multiclass":
        return {}
    return {"class_counts": np.bincount(targets, minlength=facts.num_outputs).tolist()}


def _check_columns(frames: Frames, needed: Sequence[str]) -> None:
    problems = [
        f"The {part} data has no column {name!r}, which the training data has; its columns are {listed(frame.columns)}."
        for part, frame in frames.items()
        for name in needed
        if name not in frame.columns
    ]
    if problems:
        raise DataError(problems)


def _told(part: str, reason: str, rows: Sequence[int]) -> str:
    named = ", ".join(map(str, rows[:LIMIT])) + (f" and {len(rows) - LIMIT:,} more" if len(rows) > LIMIT else "")
    return f"The {part} data has {reason} in {counted(len(rows), 'row')} (the first row is 0): {named}."
