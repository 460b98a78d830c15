"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(metavar="NAME", help="The study's name, as `fit` printed it.", show_default=False)]

Trial = Annotated[int, typer.Argument(metavar="TRIAL", min=0, help="The trial's number.", show_default=False)]

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="A SQLite file or a database URL; gradfleet.db in the working folder by default."
    ),
]

TrialOption = Annotated[
    int | None, typer.Option("--trial", metavar="N", help="That trial's model instead of the best; 0 is the default.")
]

TrustOption = Annotated[
    bool,
    typer.Option("--trust-recipe", help="Load a recipe that was stored by value, which runs its author's code."),
]

ExtendOption = Annotated[
    bool,
    typer.Option(
        "--extend",
        help="Go on with the study of that name under another space: its trials stay and are learned from.",
    ),
]

RetryOption = Annotated[
    bool, typer.Option("--retry-failed", help="Run trials that failed again too, from their last checkpoint.")
]

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and nothing else there.")]


def examples(*lines: str) -> str:
    """A help text's epilog; the mark keeps the lines from being wrapped into each other."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
