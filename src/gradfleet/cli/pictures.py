"""`gradfleet plot` and `report`: a study drawn from its store, into files that need no network."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from gradfleet.cli.options import AnyStoreOption, JsonOption, Name
from gradfleet.cli.output import show, show_json
from gradfleet.cli.studies import study_at

PLOT_EXAMPLES = (
    "gradfleet plot flowers importance",
    "gradfleet plot flowers curves --metric val_loss --to curves.svg",
    "gradfleet plot flowers pareto --metric train_seconds --metric val_accuracy",
    "gradfleet plot flowers contour --dimension batch_size --dimension learning_rate --to contour.html",
)

REPORT_EXAMPLES = (
    "gradfleet report flowers",
    "gradfleet report flowers --to page.html",
    "gradfleet report flowers --json",
)


def plot(
    name: Name,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="history, curves, importance, parallel, slice, contour, pareto or timeline.",
            show_default=False,
        ),
    ],
    *,
    to: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Ends with .png, .svg, .pdf or .html.", show_default="NAME-KIND.png"),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="What curves shows, or the two of pareto.")
    ] = None,
    dimension: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Of parallel, slice and contour.", show_default="the most important ones"),
    ] = None,
    theme: Annotated[str, typer.Option(metavar="light|dark", help="Colours of the drawing.")] = "light",
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Draw a study, while it runs too; an .html is interactive."""
    file = to or f"{name}-{kind}.png"
    study = study_at(name, store=store)
    study.plot(kind, to=file, metrics=metric or (), dimensions=dimension or (), theme=theme)
    if json:
        show_json({"study": study.name, "plot": kind, "file": os.path.abspath(file)})
    else:
        show(file)


def report(
    name: Name,
    *,
    to: Annotated[str | None, typer.Option(metavar="FILE", help="The page.", show_default="NAME.html")] = None,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="How many trials of the leaderboard.")] = 20,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Write one page about a study: result, contract, leaderboard, plots, failures, where it all comes from.

    --json writes no page and prints what it would say.
    """
    study = study_at(name, store=store)
    if json:
        show_json(study.report_facts(top=top))
    else:
        show(str(study.report(to or f"{name}.html", top=top)))
