"""The leaderboard in every form it is shown in: a frame, text, a table on a terminal, HTML, JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

from gradfleet.goal import Aim
from gradfleet.study.conditions import select
from gradfleet.study.storage.rows import RecordRow, StudyState, TrialRow

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

    from gradfleet.trials.plan import Value

_WORDS = ("", "state", "config", "note", "reason")
_LONG = ("config", "note", "reason")


@dataclass(frozen=True)
class Standings:
    """The trials of a study at one moment, in the order of its leaderboard.

    Attributes:
        frame: a row a trial.
        trials: what is shown, by number, and more.
        records: the best record of each trial that has one, by number.
        best: the number of the study's best trial, shown or not; None while there is none.
    """

    study: str
    state: StudyState
    objective: Aim
    frame: pandas.DataFrame
    trials: Mapping[int, TrialRow]
    records: Mapping[int, RecordRow]
    best: int | None

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def numbers(self) -> list[int]:
        """The trials that are shown, in order."""
        return [int(number) for number in self.frame["trial"]]

    @property
    def front(self) -> set[int]:
        """The shown trials that no other beats in every objective; empty where there is one objective."""
        return set(self.frame.loc[self.frame["front"] == True, "trial"]) if "front" in self.frame else set()  # noqa: E712

    @property
    def _others(self) -> list[str]:
        return [name for name in self.objective.metrics if name != self.objective.metric]

    def select(self, where: Any = (), sort: Any = ()) -> Standings:
        """Only the trials on which every condition holds, in the asked order; see `conditions.select`."""
        return replace(self, frame=select(self.frame, where, sort))

    def top(self, count: int | None, *, with_default: bool = False) -> Standings:
        """The first `count`; with the default configuration's trial, 0, wherever it stands."""
        if count is None:
            return self
        numbers = enumerate(self.numbers)
        shown = [place for place, number in numbers if place < count or (with_default and number == 0)]
        return replace(self, frame=self.frame.iloc[shown].reset_index(drop=True))

    def page(self, offset: int, limit: int) -> Standings:
        """The `limit` of them that come after the first `offset`."""
        return replace(self, frame=self.frame.iloc[offset : offset + limit].reset_index(drop=True))

    def to_json(self) -> dict[str, Any]:
        """One object: the study, its objective, and every trial with its whole configuration and numbers."""
        return {
            "study": self.study,
            "state": self.state,
            "objective": self.objective.to_json(),
            "best": self.best if self.best in self.numbers else None,
            "trials": [self._trial(number, seconds) for number, seconds in self._shown()],
        }

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows as people read them; notes, and why trials failed, only where there are any."""
        shown = [self.trials[number] for number in self.numbers]
        extra = {
            "note": [trial.note or "" for trial in shown],
            "reason": [trial.reason or "" if trial.state == "FAIL" else "" for trial in shown],
        }
        extra = {name: texts for name, texts in extra.items() if any(texts)}
        header = ["trial", "", self.objective.metric, *self._others, "state", "epoch", "seconds", "config", *extra]
        rows = [
            [*self._cells(trial, seconds), *(texts[place] for texts in extra.values())]
            for place, (trial, (_, seconds)) in enumerate(zip(shown, self._shown(), strict=True))
        ]
        return header, rows

    def mark(self, number: int) -> str:
        """What is special about a trial: a star, the best one, one of the front, the default configuration."""
        special = {"best": number == self.best, "front": number in self.front, "default": number == 0}
        words = [word for word, true in special.items() if true]
        return " ".join([*(["★"] if self.trials[number].starred else []), ", ".join(words)]).strip()

    def text(self) -> str:
        """Aligned columns, whole configurations."""
        header, rows = self.cells()
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

        def line(cells: list[str]) -> str:
            placed = zip(header, cells, widths, strict=True)
            return "  ".join(f"{cell:{'<' if name in _WORDS else '>'}{width}}" for name, cell, width in placed).rstrip()

        return "\n".join(map(line, (header, *rows)))

    def __rich__(self) -> Table:
        """A table as wide as the terminal; what is cut off a configuration stands in the frame and in the JSON."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        header, rows = self.cells()
        title = f"{self.study}: {self.state}"
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
        for name in header:
            # Rich narrows every column that may not wrap by the same amount, until nothing is left of the short ones.
            # So only the long ones may wrap, and their text is cut instead.
            table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=name not in _LONG)
        for number, cells in zip(self.numbers, rows, strict=True):
            unusable = self.trials[number].state in ("PRUNED", "FAIL")
            style = "bold green" if number == self.best else ("dim" if unusable else "")
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells), style=style)
        return table

    def _repr_html_(self) -> str:
        """A plain table, for a notebook or a page of one's own."""
        header, rows = self.cells()
        head = "".join(f"<th>{escape(name)}</th>" for name in header)
        body = "".join(
            f'<tr class="{_style(self.trials[number], best=number == self.best)}">'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for number, cells in zip(self.numbers, rows, strict=True)
        )
        return f'<table class="leaderboard"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _shown(self) -> list[tuple[int, float]]:
        return list(zip(self.numbers, self.frame["seconds"].tolist(), strict=True))

    def _cells(self, trial: TrialRow, seconds: float) -> list[str]:
        epoch = "" if trial.best_epoch is None else f"{trial.best_epoch}/{trial.epochs}"
        value, took = _number(trial.value, 4), _number(seconds, 1)
        record = self.records.get(trial.number)
        others = [_number(None if record is None else record.metrics.get(name), 4) for name in self._others]
        state = [trial.state, epoch, took]
        return [str(trial.number), self.mark(trial.number), value, *others, *state, summary(trial.config)]

    def _trial(self, number: int, seconds: float) -> dict[str, Any]:
        trial, record = self.trials[number], self.records.get(number)
        return {
            "trial": number,
            "value": trial.value,
            "state": trial.state,
            "best_epoch": trial.best_epoch,
            "epochs": trial.epochs,
            "seconds": seconds,
            "reason": trial.reason,
            "starred": trial.starred,
            "note": trial.note,
            "checkpoint": trial.checkpoint,
            "metrics": {} if record is None else dict(record.metrics),
            "config": dict(trial.config),
        }


def _style(trial: TrialRow, *, best: bool) -> str:
    return " ".join([trial.state.lower(), *(["best"] if best else []), *(["starred"] if trial.starred else [])])


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def summary(config: Mapping[str, Value]) -> str:
    """A config in one line: the branches' names are dropped from their own dimensions."""
    parts = []
    for name, value in config.items():
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        parts.append(f"{name.rsplit('.', 1)[-1]}={shown}")
    return " ".join(parts)
