"""Class folders of images as a source: `flowers/rose/1.jpg`, or `flowers/train/rose/1.jpg` beside `flowers/val/`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradfleet.data import fingerprint
from gradfleet.data.decoding import decode_to
from gradfleet.data.encoders import LabelEncoder
from gradfleet.data.folder_scan import scan
from gradfleet.data.preparation import Preparation, preparation_from_json
from gradfleet.data.prepared import INPUTS, LEARNED, PARTS, TARGETS, WEIGHTS, DataFacts
from gradfleet.data.problems import LIMIT, counted, listed, shortened
from gradfleet.data.rows import keep_rows, save_rows, statistics
from gradfleet.data.source import Rows, Settings, Source, said_of_test, said_of_validation, split
from gradfleet.data.vision import ImagePreparation, said_of_images
from gradfleet.data.weights import row_weights
from gradfleet.errors import DataError

_DECODED = "decoded.npy"
_ADVICE = 'Repair or remove them, or pass on_bad_rows="skip" to leave them out.'


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
        self._listed = [f"The folders name {len(self.labels)} classes, so this is multiclass.", *ignored.notes()]
        self.held_out = "validation" not in files
        _, said = self._ordered(np.ones(len(self._files), bool))
        self.notes = [*self._listed, *said]

    def _ordered(self, kept: npt.NDArray[np.bool_]) -> tuple[dict[str, Rows], list[str]]:
        """The files of each part, as positions in the list of all, and what is to be said of a split that was made.

        Raises:
            DataError: too few images remain in a class or part.
        """
        rows = {part: np.flatnonzero(kept & (self._part == part)) for part in LEARNED if (self._part == part).any()}
        self._check(rows)
        if "validation" in rows:
            return rows, self._unseen(rows)
        train, held, said = split(self._classes[rows["train"]], self.kind, self.settings)
        return {"train": rows["train"][train], "validation": rows["train"][held]}, [said]

    def _check(self, rows: Mapping[str, Rows]) -> None:
        counts = np.bincount(self._classes[rows["train"]], minlength=len(self._encoder.labels))
        needed = 1 if "validation" in rows else 2
        few = [label for label, count in zip(self._encoder.labels, counts, strict=True) if count < needed]
        problems = [f"The {part} data has no image that can be read." for part in rows if not len(rows[part])]
        if len(counts) < 2:
            problems.append(
                f"Training needs at least two classes, got one: {self._encoder.labels[0]!r}. "
                "Add a folder of another class."
            )
        if few and needed == 2:
            problems.append(
                "A class needs at least two images, one to train and one to validate; these have fewer: "
                f"{listed(few)}. Add images to them, or remove the folders."
            )
        elif few:
            problems.append(f"No training image can be read in the classes {listed(few)}. Add images to them.")
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
        kept = np.ones(len(self._files), bool)
        rows, said = self._ordered(kept)
        preparation = self._preparation.fit([self._files[row].path for row in rows["train"]])
        order = np.concatenate(list(rows.values()))
        problems = self._decode(folder / _DECODED, preparation, order)
        notes = list(self._listed)
        if problems:
            notes.append(self._left_out(list(problems.values())))
            kept[order[list(problems)]] = False
            rows, said = self._ordered(kept)
        self._write(folder, order, np.concatenate(list(rows.values())), moved=bool(problems))
        return self._facts(folder, preparation, rows, [*notes, *said, *self._repeated(rows)])

    def _decode(self, path: Path, preparation: Preparation, order: Rows) -> dict[int, str]:
        """Write the images in `order` to one array; what is wrong with each that cannot be read, by its row there."""
        problems = decode_to(path, preparation, [self._files[index].path for index in order])
        if problems and not self.settings.skips:
            raise DataError(shortened(list(problems.values()), "images cannot be used", _ADVICE))
        return problems

    @property
    def has_test(self) -> bool:
        return bool((self._part == "test").any())

    def fill_test(self, folder: Path, facts: DataFacts) -> DataFacts:
        order = np.flatnonzero(self._part == "test")
        problems = self._decode(folder / INPUTS, preparation_from_json(facts.preparation or {}), order)
        kept = ~np.isin(np.arange(len(order)), list(problems))
        if problems:
            keep_rows(folder / INPUTS, kept)
        order = order[kept]
        np.save(folder / TARGETS, self._classes[order])
        digests = fingerprint.of_files([self._files[row].path for row in order.tolist()])
        learned = set(self._digests.values())
        said = said_of_test(sum(digest in learned for digest in digests), len(order), "image")
        return replace(facts, num_rows={"test": len(order)}, notes=tuple(said))

    def _left_out(self, problems: list[str]) -> str:
        more = f" And {len(problems) - LIMIT:,} more." if len(problems) > LIMIT else ""
        return f"Left out {counted(len(problems), 'image')}: {' '.join(problems[:LIMIT])}{more}"

    def _write(self, folder: Path, order: Rows, wanted: Rows, *, moved: bool) -> None:
        """The two files of a prepared folder, from images decoded in `order`."""
        targets = self._classes[wanted]
        if not moved:
            (folder / _DECODED).rename(folder / INPUTS)
            np.save(folder / TARGETS, targets)
            return
        place = np.zeros(len(self._files), np.int64)
        place[order] = np.arange(len(order))
        decoded = np.load(folder / _DECODED, mmap_mode="r")
        save_rows(folder, decoded, self._classes[order], place[wanted])
        (folder / _DECODED).unlink()

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
