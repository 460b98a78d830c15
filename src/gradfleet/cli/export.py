"""`gradfleet export`: a study's model as a folder that lives on its own."""

from __future__ import annotations

from typing import Annotated

import typer

from gradfleet.cli.options import AnyStoreOption, JsonOption, Name, TrialOption, TrustOption
from gradfleet.cli.output import show, show_json
from gradfleet.cli.studies import study_at

EXAMPLES = (
    "gradfleet export flowers flowers-model/",
    "gradfleet export flowers flowers-onnx/ --format onnx",
    "gradfleet export flowers flowers-small/ --format onnx-int8 --max-loss 0.005",
)


def export(
    name: Name,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder that is not there yet.", show_default=False)],
    *,
    format: Annotated[
        str,
        typer.Option(
            metavar="bundle|onnx|onnx-int8|torch|transformers",
            help="bundle: for gradfleet.Bundle.load. onnx, onnx-int8: for onnxruntime. torch: for torch.export.load, "
            "without gradfleet. transformers: for from_pretrained, of fine-tuned networks of transformers.",
        ),
    ] = "bundle",
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not run it in a new process on the validation rows.")
    ] = False,
    max_loss: Annotated[
        float, typer.Option(metavar="X", help="How much of the score onnx-int8 may lose.", show_default=True)
    ] = 0.01,
    trial: TrialOption = None,
    trust_recipe: TrustOption = False,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Write the best model of a study to a folder.

    It is run in a new process on the study's validation rows, and has to reach the score that the study recorded.
    """
    study = study_at(name, store=store, trust_recipe=trust_recipe)
    chosen = study.best if trial is None else study.trial(trial)
    done = chosen.export(path, format=format, check=not no_check, max_loss=max_loss)
    if json:
        show_json({"study": study.name, "trial": chosen.number, **done.to_json()})
    else:
        show(str(done))
