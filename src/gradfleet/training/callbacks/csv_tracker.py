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
    A run that goes on, after a resume or in a further fit, keeps the lines of the epochs before it.
    """

    def __init__(self, folder: Path | str, run: Run | None = None) -> None:
        super().__init__(run)
        self._folder = Path(folder).absolute()
        self._rows: list[Mapping[str, float | str]] = []
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
        begins = not self._rows
        if begins:
            self._keep_before(step)
        row = {"epoch": step, **values}
        self._rows.append(row)
        new = [name for name in row if name not in self._columns]
        self._columns += new
        anew = begins or bool(new)
        with self._file.open("w" if anew else "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            if anew:
                writer.writeheader()
            writer.writerows(self._rows if anew else [row])

    def finish(self, state: str) -> None:
        self._describe(state)

    @property
    def _file(self) -> Path:
        return self.place / "metrics.csv"

    def _keep_before(self, step: int) -> None:
        """Take over the lines of the epochs before this one."""
        if step == 1 or not self._file.exists():
            return
        with self._file.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ["epoch"])
            lines = [{name: line[name] for name in columns} for line in reader]
        whole = [line for line in lines if None not in line.values()]  # the last one may have been cut off
        self._rows = [line for line in whole if int(line["epoch"]) < step]
        self._columns = columns

    def _describe(self, state: str) -> None:
        described = {"group": self.run.group, "run": self.run.name, "state": state, "config": dict(self.run.config)}
        (self.place / "run.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
