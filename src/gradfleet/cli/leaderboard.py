"""`gradfleet leaderboard`, `star` and `note`: the trials of a study, best first, and what people say of them."""

from __future__ import annotations

from typing import Annotated

import typer

from gradfleet.cli.options import AnyStoreOption, JsonOption, Name, Trial
from gradfleet.cli.output import on_terminal, show, show_json
from gradfleet.cli.studies import study_at

EXAMPLES = (
    "gradfleet leaderboard flowers",
    "gradfleet leaderboard flowers --top 5",
    "gradfleet leaderboard flowers --where 'value >= 0.9' --where 'architecture ~ net' --sort seconds",
    "gradfleet leaderboard flowers --where starred --json",
)

STAR_EXAMPLES = ("gradfleet star flowers 12", "gradfleet star flowers 12 --off")

NOTE_EXAMPLES = (
    "gradfleet note flowers 12 'overfits from epoch 4 on'",
    "gradfleet note flowers 12 ''",
)


def leaderboard(
    name: Name,
    *,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N only, and the default configuration.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Only trials like this: 'value >= 0.9', 'state = COMPLETE', 'note ~ overfit', starred. All must hold.",
        ),
    ] = None,
    sort: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Order by it; =-COLUMN puts the largest first.")
    ] = None,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Show the trials of a study, best first, while it runs too."""
    standings = study_at(name, store=store).standings(where or (), sort or (), top=top, with_default=True)
    if json:
        show_json(standings.to_json())
    elif on_terminal():
        from rich.console import Console

        Console().print(standings)
    else:
        show(standings.text())


def star(
    name: Name,
    trial: Trial,
    *,
    off: Annotated[bool, typer.Option("--off", help="Take the star away.")] = False,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Mark a trial of a study, so that it is found again."""
    study = study_at(name, store=store)
    study.star(trial, starred=not off)
    if json:
        show_json({"study": study.name, "trial": trial, "starred": not off})
    else:
        show(f"Trial {trial} of {study.name} {'has no star any more' if off else 'has a star'}.")


def note(
    name: Name,
    trial: Trial,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What to write; '' takes a note away.", show_default=False)
    ],
    *,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Write about a trial of a study, over what was written before."""
    study = study_at(name, store=store)
    study.note(trial, text)
    if json:
        show_json({"study": study.name, "trial": trial, "note": study.trial(trial).note})
    else:
        show(f"Trial {trial} of {study.name} {'has your note' if text.strip() else 'has no note any more'}.")
