"""Class folders of text files, `reviews/good/1.txt`, as a table with the columns text and label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas

from gradfleet.data.encodings import text_of
from gradfleet.data.folder_scan import TEXTS, Ignored, scan_classes
from gradfleet.data.left_out import LeftOut
from gradfleet.data.problems import listed
from gradfleet.errors import DataError


@dataclass(frozen=True, slots=True)
class ClassTexts:
    """The class folders in `folder`, read when they are asked for."""

    folder: Path

    def read(self, *, skip: bool) -> tuple[pandas.DataFrame, list[str]]:
        """The table, and what is to be said of what is not in it.

        Args:
            skip: whether files that cannot be read are left out rather than refused.

        Raises:
            DataError: the folders are none of texts, a text cannot be read, or a class has none that can.
        """
        ignored = Ignored(TEXTS)
        files = scan_classes(self.folder, ignored)
        texts, problems = list[str](), dict[int, str]()
        for row, file in enumerate(files):
            try:
                texts.append(text_of(file.path))
            except DataError as problem:
                texts.append("")
                problems[row] = str(problem)
        frame = pandas.DataFrame({"text": texts, "label": [file.label for file in files]})
        left_out = LeftOut(problems, {"": len(files)}, "text")
        said = left_out.allow(skips=skip)
        kept = frame[left_out.kept[""]]
        if lost := sorted(set(frame["label"]) - set(kept["label"])):
            raise DataError(f"No text can be read in the class folders {listed(lost)} of {self.folder}. Add some.")
        return kept.reset_index(drop=True), [*ignored.notes(), *said]
