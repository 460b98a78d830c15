"""Tables as a source: files, frames, dicts and lists of dicts, with columns of texts, images, numbers or categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas

from gradfleet.data import fingerprint, table_inputs
from gradfleet.data.column_targets import ColumnTargets, almost_alike, bad_targets, seeming_several
from gradfleet.data.columns import Columns
from gradfleet.data.files_of_tables import Files
from gradfleet.data.found_tables import found_table, one_table
from gradfleet.data.language import TextPreparation
from gradfleet.data.left_out import LeftOut
from gradfleet.data.part_names import PART_NAMES
from gradfleet.data.prepared import LEARNED, PARTS, TARGETS, WEIGHTS, DataFacts
from gradfleet.data.problems import counted, listed, numbered
from gradfleet.data.source import Settings, Source, said_of_test, said_of_validation, split
from gradfleet.data.stored_texts import write_texts
from gradfleet.data.tables import missing
from gradfleet.data.weights import row_weights
from gradfleet.errors import DataError, Line

Frames = dict[str, pandas.DataFrame]


class TableSource(Source):
    """Rows of a table, checked at birth. A test part is read when it is asked for, and not before."""

    def __init__(self, given: Any, parts: Mapping[str, Any], settings: Settings) -> None:
        self.settings = settings
        self._hidden: Any = parts.get("test")
        self._files = dict[str, Files]()
        frames, self._columns = self._read(given, {name: part for name, part in parts.items() if name != "test"})
        self._inputs = table_inputs.choose(frames["train"], self._columns.inputs, settings.preparation)
        self.form = self._inputs.form
        self.notes += self._inputs.said(frames["train"])
        frames, left_out = self._usable(frames)
        self.notes += left_out
        self._targets = self._fit_targets(frames["train"])
        self.kind = self._targets.kind
        self.labels = self._targets.reader.labels if self._targets.reader else None
        self.held_out = "validation" not in frames
        self._frames = self._split(frames) if self.held_out else frames
        self._read_targets = {part: self._targets.read(frame, part) for part, frame in self._frames.items()}
        self.notes += self._said_of_parts()

    # -- reading and checking ------------------------------------------------------------------------------------------

    def _read(self, given: Any, parts: Mapping[str, Any]) -> tuple[Frames, Columns]:
        """The frame of each part that is not hidden, and the columns settled on the training rows."""
        train, self.notes = one_table(given, self.settings.scratch, skip=self.settings.skips)
        wants_text = isinstance(self.settings.preparation, TextPreparation)
        columns, said = self.settings.columns.settle(train, self.settings.kind, wants_text=wants_text)
        self.notes.append(said)
        frames = {"train": train} if columns.split is None else self._own_parts(train, columns.split)
        for part in [*parts, *(["test"] if self._hidden is not None else [])]:
            if part in frames:
                raise DataError(f"The column {columns.split!r} names {part} rows already, so leave out {part}=.")
        self._files = dict.fromkeys(frames, Files.beside(given, self.settings.scratch))
        if "test" in frames:
            self._hidden = frames.pop("test"), []
        for part, one in parts.items():
            frames[part], said_of_part = self._other(one, part)
            self.notes += said_of_part
        _check_columns(frames, [*columns.inputs, *columns.target])
        return frames, columns

    def _own_parts(self, frame: pandas.DataFrame, column: str) -> Frames:
        """The rows of each part that the split column names."""
        named = frame[column].astype(str).str.strip().str.lower().map(PART_NAMES)
        foreign = named.isna().to_numpy()
        if foreign.any():
            self._refuse_parts(frame[column][foreign])
        frames = {part: frame[(named == part).to_numpy()] for part in PARTS if (named == part).any()}
        if "train" not in frames:
            raise DataError(
                f"The column {column!r} needs rows that train, got only {listed(frames)}. Pass the training rows as "
                "the source, and these as its other parts: AutoDataset(..., validation=..., test=...)."
            )
        return frames

    def _refuse_parts(self, cells: pandas.Series) -> None:
        """Note, or refuse, the rows of no part."""
        names = listed(sorted(set(cells[~missing(cells)].astype(str))))
        got = " and ".join([*([names] if names else []), *(["nothing"] if missing(cells).any() else [])])
        problem = (
            f"The column {cells.name!r} needs to say train, validation (or val, dev) or test in each row, got {got} in "
            f"{counted(len(cells), 'row')} (the first row is 0): {numbered(cells.index.tolist())}."
        )
        if not self.settings.skips:
            advice = 'Pass on_bad_rows="skip" to leave these rows out, or call the column otherwise if it is no split.'
            raise DataError([problem, Line(advice)])
        self.notes.append(f"Left out: {problem}")

    def _other(self, given: Any, part: str) -> tuple[pandas.DataFrame, list[str]]:
        """The table of another part, whose files lie where it lies itself, and what is to be said of it."""
        table = found_table(given, self.settings.scratch)
        read = one_table(table, self.settings.scratch, skip=self.settings.skips)
        self._files[part] = Files.beside(table, self.settings.scratch)
        return read

    def _usable(self, frames: Frames) -> tuple[Frames, list[str]]:
        """The rows that have what is needed, and what is left out; else every problem of every part at once."""
        problems, usable = list[str](), {}
        for part, frame in frames.items():
            bad = {reason: rows for reason, rows in self._bad_rows(frame, self._files[part]).items() if rows.any()}
            problems += [_told(part, reason, frame.index[rows].tolist()) for reason, rows in bad.items()]
            usable[part] = frame[~np.any([np.zeros(len(frame), bool), *bad.values()], axis=0)]
        if problems and not self.settings.skips and all(map(len, usable.values())):
            raise DataError([*problems, Line('Pass on_bad_rows="skip" to leave these rows out.')])
        if empty := [part for part, frame in usable.items() if not len(frame)]:
            advice = "Name other columns with inputs= and target=, or look at the file."
            raise DataError([*problems, f"No row of the {' and '.join(empty)} data is left. {advice}"])
        meant = {part: self._inputs.meant(frame, self._files[part]) for part, frame in usable.items()}
        return meant, [f"Left out: {one}" for one in problems]

    def _bad_rows(self, frame: pandas.DataFrame, files: Files) -> dict[str, npt.NDArray[np.bool_]]:
        found = self._inputs.bad_rows(frame, files)
        if self.settings.kind != "multilabel":
            targets = ", ".join(map(repr, self._columns.target))
            found[f"no target in {targets}"] = bad_targets(frame, self._columns.target)
        return found

    def _fit_targets(self, frame: pandas.DataFrame) -> ColumnTargets:
        targets = ColumnTargets.fit(frame, self._columns.target, self.settings.kind)
        if targets.kind == "text" and not isinstance(self._inputs, table_inputs.Texts):
            raise DataError(f"Texts can only be written from texts; the inputs are {listed(self._columns.inputs)}.")
        self.notes.append(targets.note(frame))
        return targets

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _split(self, frames: Frames) -> Frames:
        train = frames["train"]
        targets, kind = self._targets.read(train, "train"), self.kind
        if kind == "multiclass":  # by their names, so that a class with a single row is called by its own
            targets = train[self._columns.target[0]].to_numpy(dtype=str)
        groups = None if self._columns.group is None else train[self._columns.group].to_numpy(dtype=str)
        rows, held, said = split(targets, kind, self.settings, groups)
        self.notes.append(said)
        return {"train": train.iloc[rows], "validation": train.iloc[held]}

    def _said_of_parts(self) -> list[str]:
        """What is worth knowing of how the parts go together: rows in both, and labels that validation lacks."""
        inputs = {part: self._identities(frame) for part, frame in self._frames.items()}
        train = set(inputs["train"])
        both = sum(one in train for one in inputs["validation"])
        said = said_of_validation(both, len(inputs["validation"]), "row")
        if self.kind == "text" and (longer := self._longer_than_inputs()):
            said.append(f"In {counted(longer, 'row')} the text to be written is longer than the one that is read.")
        alike = almost_alike(self.labels or ())
        said += [f"The labels {listed(same)} differ in case or spaces alone." for same in alike]
        if self.kind == "multiclass" and (several := seeming_several(self.labels or ())):
            said.append(
                f'Labels such as {several!r} look like several: AutoDataset(..., kind="multilabel") takes them apart.'
            )
        if self.kind == "multiclass" and not self.held_out:
            there = set(self._read_targets["validation"].tolist())
            _, names = self._classes({})
            missing = [name for number, name in enumerate(names) if number not in there]
            said += [f"The validation data has no row of {listed(missing)}."] if missing else []
        return said

    def _longer_than_inputs(self) -> int:
        """Rows whose target has more characters than what is learned from."""
        read, written = self._columns.inputs[0], self._columns.target[0]
        return sum(int((frame[written].str.len() > frame[read].str.len()).sum()) for frame in self._frames.values())

    def _identities(self, frame: pandas.DataFrame) -> list[int]:
        """A number a row that is the same for the same inputs."""
        columns = frame[list(self._columns.inputs)]
        plain = columns.map(lambda cell: cell if isinstance(cell, str | int | float) else repr(cell))
        found: list[int] = pandas.util.hash_pandas_object(plain, index=False).tolist()
        return found

    # -- what is kept --------------------------------------------------------------------------------------------------

    def _fingerprint(self) -> str:
        # The split does not count, the order of the rows does. What is hidden for the final test stays unread.
        whole = pandas.concat(list(self._frames.values())).sort_index()
        frames = {"train": whole} if self.held_out else self._frames
        chosen = (name for name in (self._columns.group, self._columns.weight) if name is not None)
        names = [*self._columns.inputs, *self._columns.target, *chosen]
        content = {part: [self._of_column(frame, name) for name in names] for part, frame in frames.items()}
        return fingerprint.of_json([self.kind, names, content])

    def _of_column(self, frame: pandas.DataFrame, name: str) -> str:
        if isinstance(self._inputs, table_inputs.Images) and name in self._columns.inputs:
            return fingerprint.of_json(fingerprint.of_items(self._inputs.items(frame)))
        return fingerprint.of_column(frame[name])

    def fill(self, folder: Path) -> DataFacts:
        frames = [self._frames[part] for part in LEARNED]
        targets = {part: self._read_targets[part] for part in LEARNED}
        learned = targets["train"].tolist() if self.kind == "text" else []
        self._inputs.fit(self._frames["train"], learned)
        left_out = LeftOut(
            self._inputs.write(folder, pandas.concat(frames)),
            {part: len(self._frames[part]) for part in LEARNED},
            "row",
        )
        notes = [*left_out.allow(skips=self.settings.skips), *left_out.check(*self._classes(targets))]
        left_out.drop(folder)
        kept = left_out.kept
        targets = {part: targets[part][kept[part]] for part in LEARNED}
        facts = self._facts({part: len(targets[part]) for part in LEARNED}, notes)
        self._write_targets(folder, np.concatenate([targets[part] for part in LEARNED]), self._inputs)
        self._write_weights(folder, kept["train"], targets["train"])
        return self._inputs.facts(folder, facts, targets["train"])

    @property
    def has_test(self) -> bool:
        return self._hidden is not None

    def fill_test(self, folder: Path, facts: DataFacts) -> DataFacts:
        if "test" not in self._files:  # not read yet
            self._hidden = self._other(self._hidden, "test")
        frame, said = self._hidden
        _check_columns({"test": frame}, [*self._columns.inputs, *self._columns.target])
        frames, unusable = self._usable({"test": frame})
        frame = frames["test"]
        learned = {one for part in self._frames.values() for one in self._identities(part)}
        both = sum(one in learned for one in self._identities(frame))
        said = [*said, *unusable, *said_of_test(both, len(frame), "row")]
        targets = self._targets.read(frame, "test")
        inputs = table_inputs.of_facts(facts)
        left_out = LeftOut(inputs.write(folder, frame), {"test": len(frame)}, "row")
        said += left_out.allow(skips=self.settings.skips)
        left_out.drop(folder)
        targets = targets[left_out.kept["test"]]
        self._write_targets(folder, targets, inputs)
        return replace(facts, num_rows={"test": len(targets)}, notes=tuple(said))

    def _classes(self, targets: Mapping[str, npt.NDArray[Any]]) -> tuple[dict[str, npt.NDArray[Any]], Sequence[str]]:
        """What `LeftOut.check` takes: class numbers of each part, or which labels its rows have, and the names."""
        if self.kind not in ("multiclass", "binary", "multilabel"):
            return {}, ()
        names = self.labels or tuple(map(str, range(max(2, self._targets.num_outputs))))
        if self.kind == "multilabel":
            return dict(targets), names
        return {part: numbers.reshape(-1).astype(np.int64) for part, numbers in targets.items()}, names

    def _facts(self, num_rows: Mapping[str, int], notes: Sequence[str]) -> DataFacts:
        columns = {"inputs": list(self._columns.inputs), "target": list(self._columns.target)}
        return DataFacts(
            self.kind,
            (),
            self._targets.num_outputs,
            self.labels,
            num_rows=num_rows,
            notes=(*self.notes, *notes),
            columns=columns,
            label_type=self._targets.reader.label_type if self._targets.reader else "str",
        )

    def _write_targets(self, folder: Path, targets: npt.NDArray[Any], inputs: table_inputs.TableInputs) -> None:
        if self.kind == "text":
            write_texts(folder, targets.tolist(), inputs.preparation, "targets")
        else:
            np.save(folder / TARGETS, targets)

    def _write_weights(self, folder: Path, kept: npt.NDArray[np.bool_], targets: npt.NDArray[Any]) -> None:
        name = self._columns.weight
        given = None if name is None else self._frames["train"][name].to_numpy(dtype=np.float64)[kept]
        weights = row_weights(given, targets, self.kind, balance=self.settings.balance)
        if weights is not None:
            np.save(folder / WEIGHTS, weights)


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
    return f"The {part} data has {reason} in {counted(len(rows), 'row')} (the first row is 0): {numbered(rows)}."
