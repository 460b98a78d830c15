"""`gradfleet ensemble`: the mean of a study's models, and its export."""

from __future__ import annotations

from typing import Annotated

import typer

from gradfleet.cli.options import JsonOption, Name, StoreOption, TrustOption
from gradfleet.cli.output import show, show_json
from gradfleet.cli.studies import study_here

EXAMPLES = (
    "gradfleet ensemble flowers",
    "gradfleet ensemble flowers flowers-ensemble/",
    "gradfleet ensemble flowers --size 50 --json",
)

_INSTEAD = (
    "Run `gradfleet ensemble` where its store and its checkpoints are seen, with the store that `gradfleet sweep show` "
    "says; or take the best model along with `gradfleet export`."
)


def ensemble(
    name: Name,
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH", help="A folder that is not there yet, to export it to as a bundle.", show_default=False
        ),
    ] = None,
    *,
    size: Annotated[int, typer.Option(metavar="N", min=1, help="Additions at most; no weight is below 1 / N.")] = 25,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not run the export in a new process on the validation rows.")
    ] = False,
    trust_recipe: TrustOption = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Choose an ensemble of the models that a study has kept, by what they said of the validation rows.

    It is never worse on those rows than the best single model, which is said beside it. With PATH it is written there
    as one bundle, which predicts with the mean of all its models.
    """
    found = study_here(name, store=store, trust_recipe=trust_recipe, instead=_INSTEAD).ensemble(size=size)
    done = None if path is None else found.export(path, check=not no_check)
    if json:
        show_json({**found.to_json(), "export": None if done is None else done.to_json()})
        return
    show(str(found))
    if done is not None:
        show(str(done))
