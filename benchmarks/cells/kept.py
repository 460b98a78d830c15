"""Cells of a table: measured one at a time, each kept as soon as it is there, so that a table goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

Scores = Mapping[str, float]
"""By the column that they stand in, and numbers beside them such as seconds."""

Measure = Callable[[str, float, Sequence[str]], Scores]
"""Takes the data set's name, the seconds there are, and folders of pretrained networks."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured at once.

    Attributes:
        measured: what measures it, such as "ours".
        budget: seconds.
        backbone: the name of the pretrained network; empty without.
    """

    data: str
    measured: str
    budget: float
    backbone: str = ""


class KeptCells:
    """Finished cells in a file of JSON lines."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self._scores: dict[Cell, Scores] = {}
        for line in lines:
            kept = json.loads(line)
            scores = kept.pop("scores")
            self._scores[Cell(**kept)] = scores

    def scores(self, cell: Cell, measure: Callable[[], Scores]) -> Scores:
        """Those that are kept, or those that are measured now, with the machine's load in the middle of it."""
        if cell not in self._scores:
            self._scores[cell] = {**measure(), "load": round(os.getloadavg()[1], 1)}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**asdict(cell), "scores": self._scores[cell]}) + "\n")
        return self._scores[cell]
