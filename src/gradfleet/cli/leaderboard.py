"""`gradfleet leaderboard`: the trials of a study, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradfleet.cli.options import JsonOption, Name, StoreOption
from gradfleet.cli.output import aligned, number, on_terminal, show, show_json

if TYPE_CHECKING:
    from gradfleet.study.rows import TrialRow
    from gradfleet.study.study import Study

EXAMPLES = (
    "gradfleet leaderboard flowers",
    "gradfleet leaderboard flowers --top 5",
    "gradfleet leaderboard flowers --json",
)

_LONG = ("config", "reason")
_WORDS = ("", "state", *_LONG)


def leaderboard(
    name: Name,
    *,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The best N only, and the default configuration.")
    ] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Show the trials of a study, best first, while it runs too."""
    from gradfleet.study.study import Study

    study = Study.attach(name, store=store)
    rows = standings(study, top)
    if json:
        show_json(_values(study, rows))
    elif on_terminal():
        _draw(study, rows)
    else:
        show(aligned(*_texts(study, rows), left=_WORDS))


@dataclass(frozen=True, slots=True)
class Row:
    """One trial of the leaderboard, with the seconds that it took."""

    trial: TrialRow
    seconds: float
    is_best: bool

    @property
    def mark(self) -> str:
        """In words, whether it is the best or the default one."""
        is_default = self.trial.number == 0
        return ", ".join(word for word, true in (("best", self.is_best), ("default", is_default)) if true)


def standings(study: Study, top: int | None) -> list[Row]:
    """The best `top` trials, and trial 0, the default configuration, wherever it stands."""
    frame = study.leaderboard()
    trials = {trial.number: trial for trial in study.trials}  # read later, so none of the frame's is missing
    rows = []
    for place, (which, seconds) in enumerate(zip(frame["trial"].tolist(), frame["seconds"].tolist(), strict=True)):
        trial = trials[which]
        if top is None or place < top or trial.number == 0:
            has_result = trial.value is not None and trial.state in ("COMPLETE", "PRUNED")
            rows.append(Row(trial, seconds, is_best=place == 0 and has_result))
    return rows


def _values(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """What `leaderboard --json` says."""
    trials = [
        {
            "trial": row.trial.number,
            "value": row.trial.value,
            "state": row.trial.state,
            "best_epoch": row.trial.best_epoch,
            "epochs": row.trial.epochs,
            "seconds": row.seconds,
            "reason": row.trial.reason,
            "checkpoint": row.trial.checkpoint,
            "config": row.trial.config,
        }
        for row in rows
    ]
    return {
        "study": study.name,
        "state": study.state,
        "objective": {"metric": study.objective.metric, "mode": study.objective.mode},
        "best": next((row.trial.number for row in rows if row.is_best), None),
        "trials": trials,
    }


def _texts(study: Study, rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Header and cells; why a trial failed is shown when one did."""
    from gradfleet.study.progress import summary

    failed = any(row.trial.state == "FAIL" for row in rows)
    header = ["trial", "", study.objective.metric, "state", "epoch", "seconds", "config"]
    texts = []
    for row in rows:
        trial = row.trial
        epoch = "" if trial.best_epoch is None else f"{trial.best_epoch}/{trial.epochs}"
        cells = [str(trial.number), row.mark, number(trial.value), trial.state, epoch, number(row.seconds, 1)]
        reason = [trial.reason or "" if trial.state == "FAIL" else ""] if failed else []
        texts.append([*cells, summary(trial.config), *reason])
    return [*header, "reason"] if failed else header, texts


def _draw(study: Study, rows: Sequence[Row]) -> None:
    """A table as wide as the terminal; what is cut off a configuration stands in `--json`."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    header, texts = _texts(study, rows)
    table = Table(title=f"{study.name}: {study.state}", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name in header:
        # Rich narrows every column that may not wrap by the same amount, until nothing is left of the short ones.
        # So only the long ones may wrap, and their text is cut instead.
        table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=name not in _LONG)
    for row, cells in zip(rows, texts, strict=True):
        style = "bold green" if row.is_best else ("dim" if row.trial.state in ("PRUNED", "FAIL") else "")
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells), style=style)
    Console().print(table)
