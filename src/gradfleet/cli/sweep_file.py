"""`gradfleet init`, `gradfleet validate` and `gradfleet sweep run`: sweeps as files."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gradfleet.cli.options import (
    PLACES,
    ArtifactsBeforeFile,
    ClusterBeforeFile,
    ExtendOption,
    JsonOption,
    RetryOption,
    StoreBeforeFile,
    said,
)
from gradfleet.cli.outcome import end
from gradfleet.cli.output import note, pairs, show, show_json, users_code
from gradfleet.errors import SettingError

INIT_EXAMPLES = (
    "gradfleet init flowers.yaml --task image-classification --data flowers/",
    "gradfleet init sweep.yaml --recipe my_package.recipes:flowers",
)

VALIDATE_EXAMPLES = (
    "gradfleet validate flowers.yaml",
    "gradfleet validate flowers.yaml search.trials=40 space.batch_size=64",
)

RUN_EXAMPLES = (
    "gradfleet sweep run flowers.yaml",
    "gradfleet sweep run flowers.yaml search.budget=1h space.architecture=cnn",
    "gradfleet sweep run flowers.yaml --resume",
    "gradfleet sweep run flowers.yaml --store postgresql://db/sweeps --artifacts s3://bucket/sweeps",
    "gradfleet sweep run flowers.yaml search.trials=80 --extend --retry-failed",
)

SUBMIT_EXAMPLES = (
    "gradfleet sweep submit flowers.yaml --cluster http://head:8265",
    "gradfleet sweep submit flowers.yaml search.trials=200 --resume",
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A sweep file, in YAML.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="What goes before the file: search.trials=40, or space.NAME=VALUE to fix a dimension.",
        show_default=False,
    ),
]


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="To write; it may not be there yet.")] = Path(
        "sweep.yaml"
    ),
    *,
    task: Annotated[str | None, typer.Option(metavar="TASK", help="One of `gradfleet tasks`.")] = None,
    data: Annotated[str | None, typer.Option(metavar="DATA", help="The data's path or URL.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="MODULE:FUNCTION", help="A function that returns an AutoModel, instead of a task."),
    ] = None,
) -> None:
    """Write a sweep file with comments, and its JSON Schema beside it for editors."""
    from gradfleet.sweeps.document import Document, Key
    from gradfleet.sweeps.sweep import Sweep
    from gradfleet.sweeps.template import SCHEMA_FILE, json_schema, template

    if file.exists():
        raise SettingError(f"{file} is there already; remove it, or name another file.")
    if (task is None) == (recipe is None) or (task is not None and data is None):
        raise SettingError("A sweep is of a task and its data, or of a recipe: say --task and --data, or --recipe.")
    asked = {"version": 1, "task": task, "recipe": recipe, "data": data}
    places: dict[Key, str] = {(name,): f"--{name}" for name in asked}
    with users_code():
        sweep = Sweep.of(Document("init", {name: value for name, value in asked.items() if value is not None}, places))
    text = template(space=sweep.model.space, name=file.stem, task=task, recipe=recipe, data=data)
    file.write_text(text, encoding="utf-8")
    schema = file.with_name(SCHEMA_FILE)
    schema.write_text(json_module.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
    show(pairs({"sweep": file, "schema": schema}))
    note(f"Check it with `gradfleet validate {file}`, run it with `gradfleet sweep run {file}`.")


def validate(file: File, overrides: Overrides = None, *, json: JsonOption = False) -> None:
    """Check a sweep file without running it: its keys, its recipe, its data and every dimension."""
    from gradfleet.sweeps.sweep import Sweep

    with users_code():
        sweep = Sweep.read(file, said(overrides))
    if json:
        show_json(sweep.spec.model_dump(exclude_none=True))
        return
    spec = sweep.spec
    lines = {"name": spec.name or "(made when it runs)", "recipe": spec.task or spec.recipe, "data": spec.data}
    dimensions = {f"  {entry.name}": str(entry) for entry in sweep.model.space.entries}
    show(pairs({name: value for name, value in lines.items() if value is not None} | {"space": ""} | dimensions))


def submit(
    file: File,
    overrides: Overrides = None,
    *,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Of Ray's dashboard, such as http://head:8265, or service+http://host:8000."),
    ] = None,
    store: StoreBeforeFile = None,
    artifacts: ArtifactsBeforeFile = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study of that name if it exists.")] = False,
    json: JsonOption = False,
) -> None:
    """Send a sweep file to a remote Ray cluster, or to a service, and return.

    The sweep goes on whatever becomes of this machine. The store and the artifacts are such that the cluster sees them,
    and a service has its own; `sweep wait`, `sweep logs` and the other verbs tell and steer the rest.
    """
    from gradfleet.fleet.addresses import is_remote, is_service
    from gradfleet.fleet.service_client import ServiceClient
    from gradfleet.sweeps.document import Document
    from gradfleet.sweeps.overrides import overridden
    from gradfleet.sweeps.sweep import Sweep

    document = overridden(Document.read(file), said(overrides, store=store, artifacts=artifacts, cluster=cluster))
    _check_named(document.values.get("name"), file, going_on="--resume" if resume else None)
    address = document.values.get("cluster")
    if is_service(address):  # whose it is to check the rest
        made = ServiceClient(address).submit(json_module.dumps(_for_service(document.values)))
        found = made.facts()
    elif is_remote(address):
        with users_code():
            found = Sweep.of(document).fit(resume=resume, progress=False, wait=False).facts()
    else:
        raise SettingError(
            f"A sweep is submitted to a cluster such as http://head:8265 or service+http://host:8000, got {address!r}."
        )
    show_json(found) if json else show(pairs({"sweep": found["name"], "cluster": address}))


def _check_named(name: object, file: Path, *, going_on: str | None) -> None:
    if going_on is not None and not name:
        raise SettingError(f"{going_on} needs to know with which study: write its name in {file}, or add name=NAME.")


def _for_service(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a sweep file says, without what is the service's own to say."""
    return {key: value for key, value in values.items() if key not in PLACES}


def run(
    file: File,
    overrides: Overrides = None,
    *,
    store: StoreBeforeFile = None,
    artifacts: ArtifactsBeforeFile = None,
    cluster: ClusterBeforeFile = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study of that name if it exists.")] = False,
    extend: ExtendOption = False,
    retry_failed: RetryOption = False,
    background: Annotated[
        bool, typer.Option("--background", help="Return at once; `sweep wait` and `sweep logs` tell the rest.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    json: JsonOption = False,
) -> None:
    """Run a sweep file here, as `fit` would.

    Ctrl-C starts no new trials and waits for those that run; a second one stops at once. Both keep the best so far.
    """
    from gradfleet.sweeps.sweep import Sweep

    going_on = "--extend" if extend else "--resume" if resume else None
    with users_code():
        sweep = Sweep.read(file, said(overrides, store=store, artifacts=artifacts, cluster=cluster))
        _check_named(sweep.spec.name, file, going_on=going_on)
        study = sweep.fit(
            resume=resume, extend=extend, retry_failed=retry_failed, progress=not quiet, wait=not background
        )
    if background:
        show_json(study.facts()) if json else show(pairs({"sweep": study.name, "log": study.log}))
        return
    end(study, target=sweep.spec.search.target, store=sweep.spec.store, json=json)
