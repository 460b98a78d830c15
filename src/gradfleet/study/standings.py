"""The leaderboard in every form it is shown in: a frame, text, a table on a terminal, HTML, JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

from gradfleet.errors import SettingError
from gradfleet.goal import Aim
from gradfleet.study.conditions import select
from gradfleet.study.ranking import Ranking
from gradfleet.study.storage.rows import StudyState, TrialRow

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
        ranking: of all trials.
        numbers: the trials that are shown, in order.
        now: Unix time; ends the seconds of trials that run.
    """

    study: str
    state: StudyState
    ranking: Ranking
    numbers: Sequence[int]
    now: float

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def objective(self) -> Aim:
        return self.ranking.objective

    @property
    def best(self) -> int | None:
        """The number of the study's best trial, shown or not; None while there is none."""
        return self.ranking.usable[0] if self.ranking.usable else None

    @property
    def frame(self) -> pandas.DataFrame:
        """A row a trial."""
        import pandas

        frame = pandas.DataFrame({name: self.cells(name) for name in self.ranking.columns})
        return frame.astype({"value": "float64", "best_epoch": "Int64", "seconds": "float64"})

    @property
    def _others(self) -> list[str]:
        return [name for name in self.objective.metrics if name != self.objective.metric]

    def cells(self, column: str) -> list[Any]:
        """What a column shows of each trial; None for what it does not have."""
        cell, trials = self.ranking.columns[column], self.ranking.trials
        return [cell(trials[number], self.now) for number in self.numbers]

    def select(self, where: str | Iterable[str] = (), sort: str | Iterable[str] = ()) -> Standings:
        """Only the trials on which every condition holds, in the asked order; see `conditions.select`.

        Raises:
            SettingError: with every condition that cannot be read and every column that there is not.
        """
        places = select(self.cells, self.ranking.columns, range(len(self)), where, sort)
        return replace(self, numbers=[self.numbers[place] for place in places])

    def top(self, count: int | None, *, with_default: bool = False) -> Standings:
        """The first `count`; with the default configuration's trial, 0, wherever it stands.

        Raises:
            SettingError: the count is below 0.
        """
        if count is None:
            return self
        if count < 0:
            raise SettingError(f"A leaderboard has 0 rows or more, got top={count}; None shows all.")
        beside = [number for number in self.numbers[count:] if with_default and number == 0]
        return replace(self, numbers=[*self.numbers[:count], *beside])

    def page(self, offset: int, limit: int) -> Standings:
        """The `limit` of them that come after the first `offset`."""
        return replace(self, numbers=self.numbers[offset : offset + limit])

    def to_json(self) -> dict[str, Any]:
        """One object: the study, its objective, and every trial with its whole configuration and numbers."""
        return {
            "study": self.study,
            "state": self.state,
            "objective": self.objective.to_json(),
            "best": self.best if self.best in self.numbers else None,
            "trials": [self._trial(number, seconds) for number, seconds in self._shown()],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows as people read them; notes, and why trials failed, only where there are any."""
        shown = [self.ranking.trials[number] for number in self.numbers]
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
        on_front = len(self.objective.objectives) > 1 and number in self.ranking.front
        special = {"best": number == self.best, "front": on_front, "default": number == 0}
        words = [word for word, true in special.items() if true]
        return " ".join([*(["★"] if self.ranking.trials[number].starred else []), ", ".join(words)]).strip()

    def text(self) -> str:
        """Aligned columns, whole configurations."""
        header, rows = self.table()
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

        header, rows = self.table()
        title = f"{self.study}: {self.state}"
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
        for name in header:
            # Rich narrows every column that may not wrap by the same amount, until nothing is left of the short ones.
            # So only the long ones may wrap, and their text is cut instead.
            table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=name not in _LONG)
        for number, cells in zip(self.numbers, rows, strict=True):
            unusable = self.ranking.trials[number].state in ("PRUNED", "FAIL")
            style = "bold green" if number == self.best else ("dim" if unusable else "")
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells), style=style)
        return table

    def _repr_html_(self) -> str:
        """A plain table, for a notebook or a page of one's own."""
        header, rows = self.table()
        head = "".join(f"<th>{escape(name)}</th>" for name in header)
        body = "".join(
            f'<tr class="{_style(self.ranking.trials[number], best=number == self.best)}">'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for number, cells in zip(self.numbers, rows, strict=True)
        )
        return f'<table class="leaderboard"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _shown(self) -> list[tuple[int, float]]:
        return list(zip(self.numbers, self.cells("seconds"), strict=True))

    def _cells(self, trial: TrialRow, seconds: float) -> list[str]:
        epoch = "" if trial.best_epoch is None else f"{trial.best_epoch}/{trial.epochs}"
        value, took = _number(trial.value, 4), _number(seconds, 1)
        record = self.ranking.records.get(trial.number)
        others = [_number(None if record is None else record.metrics.get(name), 4) for name in self._others]
        state = [trial.state, epoch, took]
        return [str(trial.number), self.mark(trial.number), value, *others, *state, summary(trial.config)]

    def _trial(self, number: int, seconds: float) -> dict[str, Any]:
        trial, record = self.ranking.trials[number], self.ranking.records.get(number)
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
