"""A run's numbers as files that every program reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from gradfleet.training.callbacks.tracker import Run, Tracker


class CSVTracker(Tracker):
    """Writes `<folder>/<group>/<run>/metrics.csv`, a line an epoch, and `run.json` with config and state beside it.

    A metric that comes later than the first epoch gets a column of its own; the file is written anew then.
    """

    def __init__(self, folder: Path | str, run: Run | None = None) -> None:
        super().__init__(run)
        self._folder = Path(folder).absolute()
        self._rows: list[dict[str, float]] = []
        self._columns: list[str] = []

    @property
    def place(self) -> Path:
        """The folder of this run."""
        return self._folder / self.run.group / self.run.name

    def start(self, run: Run) -> None:
        self._rows, self._columns = [], ["epoch"]
        self.place.mkdir(parents=True, exist_ok=True)
        self._describe("running")

    def log(self, values: Mapping[str, float], step: int) -> None:
        row = {"epoch": step, **values}
        self._rows.append(row)
        new = [name for name in row if name not in self._columns]
        self._columns += new
        rows, mode = (self._rows, "w") if new else ([row], "a")
        with (self.place / "metrics.csv").open(mode, newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            if new:
                writer.writeheader()
            writer.writerows(rows)

    def finish(self, state: str) -> None:
        self._describe(state)

    def _describe(self, state: str) -> None:
        described = {"group": self.run.group, "run": self.run.name, "state": state, "config": dict(self.run.config)}
        (self.place / "run.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
