"""`gradfleet predict` and `gradfleet evaluate`: the models of a study at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradfleet.cli.options import AnyStoreOption, JsonOption, Name, StoreOption, TrialOption, TrustOption
from gradfleet.cli.output import aligned, note, number, show, show_json
from gradfleet.cli.studies import study_at, study_here

if TYPE_CHECKING:
    from gradfleet.study.study import Study
    from gradfleet.study.view import TrialView
    from gradfleet.training.evaluation import Evaluation
    from gradfleet.trials.recipe import Predictor
    from gradfleet.trials.results import Results

PREDICT_EXAMPLES = (
    "gradfleet predict flowers new.jpg other.jpg",
    "gradfleet predict flowers photos/*.jpg --proba > probabilities.tsv",
    "gradfleet predict flowers new.jpg --trial 0 --json",
    "gradfleet predict reviews 'a lovely film'",
)

EVALUATE_EXAMPLES = (
    "gradfleet evaluate flowers",
    "gradfleet evaluate flowers held_out/ --details",
    "gradfleet evaluate flowers held_out/ --trial 0 --json",
    "gradfleet evaluate flowers held_out/ --top-losses 9 --pictures worst.png",
)

_TOP_LOSSES = "top losses"
_INSTEAD = (
    "Take the model along with `gradfleet export NAME FOLDER`, and measure it in Python with "
    "Bundle.load(FOLDER).evaluate(DATA)."
)


def predict(
    name: Name,
    items: Annotated[
        list[str], typer.Argument(metavar="ITEM", help="Files, or texts, to predict.", show_default=False)
    ],
    *,
    proba: Annotated[bool, typer.Option("--proba", help="Probabilities: a header, then a column a class.")] = False,
    trial: TrialOption = None,
    trust_recipe: TrustOption = False,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Predict files, or texts where the study learned from texts, with the best model of a study.

    The file of a table stands for its rows. Where the study learned from texts, an item is a text, or a .txt file.

    A line each: the item, a tab, its label; of a sentiment another tab and its score from -1 to 1.
    """
    study = study_at(name, store=store, trust_recipe=trust_recipe)
    chosen = study.best if trial is None else study.trial(trial)
    found = chosen.predictions(items, proba=proba)
    if json:
        show_json({"study": study.name, "trial": chosen.number, "predictions": found})
    else:
        show("\n".join("\t".join(map(_on_one_line, line)) for line in _lines(found, proba=proba)))


def evaluate(
    name: Name,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="Labelled data of the kind the study learned from; its own validation rows by default.",
            show_default=False,
        ),
    ] = None,
    *,
    trial: TrialOption = None,
    details: Annotated[bool, typer.Option("--details", help="The tables too: by class, and the confusion.")] = False,
    top_losses: Annotated[
        int, typer.Option(metavar="N", help="The N rows too that the model is most wrong about.", show_default=False)
    ] = 0,
    pictures: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a PNG of the 12 images that the model is most wrong about."),
    ] = None,
    trust_recipe: TrustOption = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Measure the best model of a study on labelled data.

    Without DATA these are the study's own validation rows, and what the study recorded stands beside: a model that was
    saved and loaded right gives the same accuracy again.
    """
    from gradfleet.data.places import anchored

    study = study_here(name, store=store, trust_recipe=trust_recipe, instead=_INSTEAD)
    chosen = study.best if trial is None else study.trial(trial)
    model = chosen.model()
    given = _validation(study) if data is None else anchored(data)
    measured = model.evaluate(given)
    if top_losses or pictures:
        worst = _worst_first(model, given, measured)
        if pictures:
            worst.plot(pictures)
        if top_losses:
            measured.details[_TOP_LOSSES] = worst.table.head(top_losses)
    recorded = _recorded(chosen, measured) if data is None else {}
    for one in measured.notes:
        note(one)
    if json:
        found = {"study": study.name, "trial": chosen.number, "data": data, "metrics": measured, "recorded": recorded}
        found["notes"] = measured.notes
        tables = {title: table.to_dict("index") for title, table in _shown(measured, details=details)}
        show_json({**found, "details": tables} if details or top_losses else found)
    else:
        show(_metrics(measured, recorded))
        for title, table in _shown(measured, details=details) if details or top_losses else ():
            show(f"\n{title}\n{table.to_string()}")


def _worst_first(model: Predictor, data: Any, measured: Evaluation) -> Results:
    """Each measured row of a model of classes by its loss, and of one that writes by what it is measured by.

    Raises:
        SettingError: the model says nothing of single rows.
    """
    from gradfleet.errors import SettingError
    from gradfleet.trials.results import HasResults, Results

    if isinstance(model, HasResults):
        return model.results(data)
    if "rows" not in measured.details:
        raise SettingError(
            f"Single rows are compared of models that tell classes apart or write texts, and this is a "
            f"{type(model).__name__}. Leave out --top-losses and --pictures."
        )
    return Results(measured.details["rows"], None)


def _shown(measured: Evaluation, *, details: bool) -> list[tuple[str, Any]]:
    """The tables that were asked for."""
    return [(title, table) for title, table in measured.details.items() if details or title == _TOP_LOSSES]


def _validation(study: Study) -> Any:
    from gradfleet.data.prepared import read_prepared

    return read_prepared(Path(study.spec["data"])).validation


def _recorded(trial: TrialView, measured: Mapping[str, float]) -> dict[str, float]:
    """What the study recorded of the same metrics when the model was saved."""
    return {name: trial.metrics[f"val_{name}"] for name in measured if f"val_{name}" in trial.metrics}


def _metrics(measured: Mapping[str, float], recorded: Mapping[str, float]) -> str:
    if not recorded:
        return aligned(("metric", "value"), [(name, number(one)) for name, one in measured.items()], left=("metric",))
    rows = [(name, number(one), number(recorded.get(name))) for name, one in measured.items()]
    return aligned(("metric", "value", "recorded"), rows, left=("metric",))


def _on_one_line(cell: str) -> str:
    return cell.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _lines(found: Sequence[Mapping[str, Any]], *, proba: bool) -> list[list[str]]:
    if not proba:
        return [[one["item"], str(one["label"]), *([number(one["score"])] if "score" in one else [])] for one in found]
    rows = [[one["item"], *map(number, one["probabilities"].values())] for one in found]
    return [["item", *found[0]["probabilities"]], *rows]
