"""`gradfleet tasks` and `gradfleet fit`: what can be searched, and the search."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gradfleet.cli.options import (
    ArtifactsOption,
    ClusterOption,
    ExtendOption,
    JsonOption,
    RetryOption,
    StoreOption,
)
from gradfleet.cli.outcome import end, end_elsewhere
from gradfleet.cli.output import pairs, show, show_json
from gradfleet.errors import SettingError, unknown_name

TASKS_EXAMPLES = ("gradfleet tasks", "gradfleet tasks --json")

FIT_EXAMPLES = (
    "gradfleet fit image-classification flowers/ --budget 10m",
    "gradfleet fit image-classification flowers/ --trials 40 --name flowers",
    "gradfleet fit image-classification flowers/ --trials 80 --name flowers --resume",
    "gradfleet fit image-classification flowers/ --trials 20 --repeats 3 --folds 5",
    "gradfleet fit image-classification flowers/ --scheduler pbt --trials 40 --epochs 30",
    "gradfleet fit image-classification flowers/ --target 0.95 --json > flowers.json",
    "gradfleet fit image-classification flowers/ --name flowers --cluster service+http://sweeps.example.org:8000",
    "gradfleet fit text-classification reviews.csv --backbone all-MiniLM-L6-v2/",
    "gradfleet fit text-classification reviews.csv --input-column comment --target-column verdict",
)


def tasks(*, json: JsonOption = False) -> None:
    """List the tasks that can be fitted, a line each."""
    from gradfleet.tasks import available_tasks, task_summary

    found = {name: task_summary(name) for name in available_tasks()}
    if json:
        show_json({"tasks": found})
    else:
        show(pairs(found))


def fit(
    task: Annotated[str, typer.Argument(metavar="TASK", help="One of `gradfleet tasks`.", show_default=False)],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A folder with a folder of images a class, or a table of texts.", show_default=False
        ),
    ],
    *,
    budget: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Wall time of this command: 90s, 10m, 1h30m.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="How many trials in all; trial 0 is the default configuration.")
    ] = None,
    target: Annotated[float | None, typer.Option(metavar="X", help="Stop when the objective is this good.")] = None,
    patience: Annotated[
        int | None, typer.Option(metavar="N", help="Stop after so many trials without a better one.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Of one trial at most; the task has its own default.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the study; one is made and printed by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study of that name if it exists.")] = False,
    extend: ExtendOption = False,
    retry_failed: RetryOption = False,
    store: StoreOption = None,
    artifacts: ArtifactsOption = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the split, the search and every trial.")] = 0,
    sampler: Annotated[
        str,
        typer.Option(
            metavar="auto|curves|tpe|gp|cmaes|nsga2|random|grid",
            help="How configurations are chosen; grid tries everything there is.",
        ),
    ] = "auto",
    scheduler: Annotated[
        str,
        typer.Option(
            metavar="asha|hyperband|median|pasha|pbt|none",
            help="Whether trials that are behind others end early; pbt trains a population, whose best are copied.",
        ),
    ] = "asha",
    cpu: Annotated[float, typer.Option(metavar="X", help="CPU cores of one trial.")] = 1.0,
    gpu: Annotated[
        float | None,
        typer.Option(metavar="X", help="GPUs of one trial; fractions share one.", show_default="1 where there is any"),
    ] = None,
    cluster: ClusterOption = None,
    repeats: Annotated[
        int, typer.Option(metavar="N", help="Train each configuration so often, with other seeds; the mean decides.")
    ] = 1,
    folds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Train each configuration on so many folds of the data; the mean decides."),
    ] = None,
    no_warm_start: Annotated[
        bool, typer.Option("--no-warm-start", help="Do not begin with what earlier studies of the store have found.")
    ] = False,
    keep: Annotated[int, typer.Option(metavar="N", help="How many of the best trials keep their checkpoint.")] = 5,
    on_bad_rows: Annotated[
        str, typer.Option(metavar="raise|skip", help="Refuse images that cannot be read, or go on without them.")
    ] = "raise",
    backbone: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER|NAME", help="A pretrained network: a local folder, or a name on the hub."),
    ] = None,
    input_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Of a table, what to learn from.", show_default="guessed, and said"),
    ] = None,
    target_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Of a table, what to learn; given several times, columns of 0 and 1 for labels that go together.",
            show_default="guessed, and said",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    json: JsonOption = False,
) -> None:
    """Search for the best model of TASK on DATA.

    Every trial is kept in a store, and what it learned under the artifacts.

    With neither --trials nor --budget the search ends after 10 minutes, 100 trials, or 20 trials without a better one.
    Ctrl-C starts no new trials and waits for those that run; a second one stops at once. Both keep the best so far.
    """
    from gradfleet.data.places import anchored
    from gradfleet.tasks import ServiceClient, autotask, available_tasks, is_service, order
    from gradfleet.trials.resources import Resources

    _check(task, available_tasks(), name=name, going_on="--extend" if extend else "--resume" if resume else None)
    said: dict[str, Any] = {
        "trials": trials,
        "budget": budget,
        "target": target,
        "patience": patience,
        "epochs": epochs,
        "sampler": sampler,
        "scheduler": scheduler,
        "resources": Resources(cpu=cpu, gpu=gpu),
        "name": name,
        "store": store,
        "artifacts": artifacts,
        "resume": resume,
        "extend": extend,
        "retry_failed": retry_failed,
        "repeats": repeats,
        "folds": folds,
        "warm_start": not no_warm_start,
        "keep": keep,
    }
    options: dict[str, Any] = {"on_bad_rows": on_bad_rows}
    given = {"backbones": backbone, "inputs": input_column, "target": _alone(target_column)}
    options |= {option: value for option, value in given.items() if value}
    if is_service(cluster):
        end_elsewhere(order(ServiceClient(cluster), task, data, options=options, seed=seed, **said), target, json=json)
    preset = autotask(task, anchored(data), seed=seed, **options)
    preset.fit(**said, cluster=cluster, progress=not quiet)
    end(preset.study, target=target, store=store, json=json)


def _alone(columns: list[str] | None) -> str | list[str] | None:
    """A single column by its name, several as a list."""
    return columns[0] if columns and len(columns) == 1 else columns


def _check(task: str, known: list[str], *, name: str | None, going_on: str | None) -> None:
    problems = []
    if task not in known:
        problems.append(unknown_name("task", task, known))
    if going_on is not None and name is None:
        problems.append(f"{going_on} needs to know with which study: add its --name.")
    if problems:
        raise SettingError(problems)
