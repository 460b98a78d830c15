"""Class folders of images as a source: `flowers/rose/1.jpg`, or `flowers/train/rose/1.jpg` beside `flowers/val/`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gradfleet.data import fingerprint
from gradfleet.data.decoding import decode_to
from gradfleet.data.encoders import LabelEncoder
from gradfleet.data.folder_scan import scan
from gradfleet.data.left_out import LeftOut
from gradfleet.data.preparation import Preparation, preparation_from_json
from gradfleet.data.prepared import INPUTS, LEARNED, PARTS, TARGETS, WEIGHTS, DataFacts
from gradfleet.data.problems import listed
from gradfleet.data.rows import statistics
from gradfleet.data.source import Rows, Settings, Source, said_of_test, said_of_validation, split
from gradfleet.data.vision import ImagePreparation, said_of_images
from gradfleet.data.weights import row_weights
from gradfleet.errors import DataError


class FolderSource(Source):
    """Image files, listed at birth; each is decoded once, when the prepared folder is filled."""

    form = "images"
    kind = "multiclass"

    def __init__(self, root: str | os.PathLike[str], parts: Mapping[str, Any], settings: Settings) -> None:
        self._preparation: Preparation = settings.preparation or ImagePreparation()
        self.settings = replace(settings, preparation=self._preparation)
        files, ignored = scan(Path(root), parts)
        self._files = [file for part in PARTS for file in files.get(part, ())]
        self._part = np.array([part for part in PARTS for _ in files.get(part, ())])
        self._encoder = LabelEncoder.fit(file.label for file in files["train"])
        self.labels = self._encoder.labels
        self._classes = np.concatenate(
            [self._encoder.encode([file.label for file in files[part]], part) for part in PARTS if part in files]
        )
        self.held_out = "validation" not in files
        self._rows, said = self._split()
        self.notes = [f"The folders name {len(self.labels)} classes, so this is multiclass.", *ignored.notes(), *said]

    def _split(self) -> tuple[dict[str, Rows], list[str]]:
        """The files of each part, as positions in the list of all, and what is to be said of them.

        Raises:
            DataError: too few classes, or images in one of them.
        """
        rows = {part: np.flatnonzero(self._part == part) for part in LEARNED if (self._part == part).any()}
        self._check(rows["train"])
        if not self.held_out:
            return rows, self._unseen(rows)
        train, held, said = split(self._classes[rows["train"]], self.kind, self.settings)
        return {"train": rows["train"][train], "validation": rows["train"][held]}, [said]

    def _check(self, train: Rows) -> None:
        counts = np.bincount(self._classes[train], minlength=len(self._encoder.labels))
        problems = []
        if len(counts) < 2:
            problems.append(
                f"Training needs at least two classes, got one: {self._encoder.labels[0]!r}. "
                "Add a folder of another class."
            )
        few = [label for label, count in zip(self._encoder.labels, counts, strict=True) if count < 2]
        if few and self.held_out:
            problems.append(
                "A class needs at least two images, one to train and one to validate; these have fewer: "
                f"{listed(few)}. Add images to them, or remove the folders."
            )
        if problems:
            raise DataError(problems)

    def _unseen(self, rows: Mapping[str, Rows]) -> list[str]:
        present = set(self._classes[rows["validation"]].tolist())
        missing = [label for number, label in enumerate(self._encoder.labels) if number not in present]
        return [f"The validation data has no image of {listed(missing)}."] if missing else []

    def _fingerprint(self) -> str:
        learned = ((str(self._part[row]), self._files[row], digest) for row, digest in self._digests.items())
        return fingerprint.of_json([[part, file.label, file.name, digest] for part, file, digest in learned])

    @cached_property
    def _digests(self) -> dict[int, str]:
        """Of each file's content, by its position; what is hidden for the final test stays unread."""
        learned = np.flatnonzero(self._part != "test").tolist()
        return dict(zip(learned, fingerprint.of_files([self._files[row].path for row in learned]), strict=True))

    def _repeated(self, rows: Mapping[str, Rows]) -> list[str]:
        train = {self._digests[row] for row in rows["train"].tolist()}
        both = sum(self._digests[row] in train for row in rows["validation"].tolist())
        return said_of_validation(both, len(rows["validation"]), "image")

    def fill(self, folder: Path) -> DataFacts:
        preparation = self._preparation.fit([self._files[row].path for row in self._rows["train"]])
        left_out = self._decode(folder, preparation, self._rows)
        classes = {part: self._classes[rows] for part, rows in self._rows.items()}
        said = [*left_out.allow(skips=self.settings.skips), *left_out.check(classes, self._encoder.labels)]
        left_out.drop(folder)
        rows = {part: rows[left_out.kept[part]] for part, rows in self._rows.items()}
        np.save(folder / TARGETS, self._classes[np.concatenate(list(rows.values()))])
        return self._facts(folder, preparation, rows, [*self.notes, *said, *self._repeated(rows)])

    def _decode(self, folder: Path, preparation: Preparation, rows: Mapping[str, Rows]) -> LeftOut:
        """Write the images of all parts, one after the other."""
        files = [self._files[row].path for row in np.concatenate(list(rows.values())).tolist()]
        problems = decode_to(folder / INPUTS, preparation, files)
        return LeftOut(problems, {part: len(some) for part, some in rows.items()}, "image")

    @property
    def has_test(self) -> bool:
        return bool((self._part == "test").any())

    def fill_test(self, folder: Path, facts: DataFacts) -> DataFacts:
        rows = np.flatnonzero(self._part == "test")
        left_out = self._decode(folder, preparation_from_json(facts.preparation or {}), {"test": rows})
        said = left_out.allow(skips=self.settings.skips)
        left_out.drop(folder)
        rows = rows[left_out.kept["test"]]
        np.save(folder / TARGETS, self._classes[rows])
        digests = fingerprint.of_files([self._files[row].path for row in rows.tolist()])
        learned = set(self._digests.values())
        said += said_of_test(sum(digest in learned for digest in digests), len(rows), "image")
        return replace(facts, num_rows={"test": len(rows)}, notes=tuple(said))

    def _num_test(self) -> dict[str, int]:
        return {"test": int((self._part == "test").sum())} if self.has_test else {}

    def _facts(self, folder: Path, preparation: Preparation, rows: Mapping[str, Rows], notes: list[str]) -> DataFacts:
        inputs = np.load(folder / INPUTS, mmap_mode="r")
        facts = DataFacts(
            "multiclass",
            inputs.shape[1:],
            len(self._encoder.labels),
            self._encoder.labels,
            preparation.to_json(),
            {part: len(rows[part]) for part in rows} | self._num_test(),
            {},
            (*notes, said_of_images(preparation, inputs.shape[1:])),
        )
        train = inputs[: len(rows["train"])]
        targets = self._classes[rows["train"]]
        weights = row_weights(None, targets, self.kind, balance=self.settings.balance)
        if weights is not None:
            np.save(folder / WEIGHTS, weights)
        return replace(facts, statistics=statistics(train, targets, facts))
