"""A sweep file to begin with: what is needed, and everything else as comments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from gradfleet.search.choice import Choice
from gradfleet.search.dimensions import Dimension
from gradfleet.search.ranges import Float, Int
from gradfleet.search.samplers import SAMPLERS
from gradfleet.search.space import SearchSpace
from gradfleet.study.schedulers.names import SCHEDULERS
from gradfleet.sweeps.spec import ResourcesSpec, SearchSpec, SweepSpec
from gradfleet.tasks import available_tasks

SCHEMA_FILE = "sweep.schema.json"
_EXAMPLES = {
    "artifacts": "s3://bucket/sweeps",
    "budget": "10m",
    "cluster": "auto",
    "cpu": 1.0,
    "epochs": 20,
    "folds": 5,
    "gpu": 0.5,
    "keep": 5,
    "patience": 20,
    "repeats": 3,
    "sampler": "auto",
    "scheduler": "asha",
    "seed": 0,
    "store": "sqlite:///gradfleet.db",
    "target": 0.95,
    "trials": 100,
    "warm_start": "false",
    "workers": 1,
}


def template(*, space: SearchSpace, name: str, task: str | None, recipe: str | None, data: str | None) -> str:
    """The text of a sweep file over a task or a recipe, every key there with its meaning.

    Args:
        space: of the task or recipe; each of its dimensions is listed.
    """
    what = f"task: {task}" if task is not None else f"recipe: {recipe}"
    lines = [
        f"# yaml-language-server: $schema={SCHEMA_FILE}",
        "# A sweep: the same thing as a call of fit in Python. `gradfleet validate` checks it, `gradfleet sweep run`",
        "# runs it. A line that begins with `#` and a key says what may be written there.",
        "version: 1",
        f"name: {json.dumps(name)}",
        what,
        *([f"data: {json.dumps(data)}"] if data is not None else []),
        "# objective: {metric: val_accuracy, mode: max}",
        "",
        *_section("search", SearchSpec, said="budget"),
        "",
        "# space:  # narrows a dimension, or fixes it: `batch_size: 64`",
        *(f"#   {entry.name}: {dimension_words(entry.dimension)}" for entry in space.entries),
        "",
        *_section("resources", ResourcesSpec, said="cpu"),
        "",
        *(f"# {_line(SweepSpec, key)}" for key in ("store", "artifacts", "cluster")),
    ]
    return "\n".join(lines) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a sweep file, for editors that complete and check: the tasks are those installed here."""
    schema = SweepSpec.model_json_schema()
    top, search = schema["properties"], schema["$defs"][SearchSpec.__name__]["properties"]
    for key, names in (
        (top["task"], available_tasks()),
        (search["sampler"], SAMPLERS),
        (search["scheduler"], SCHEDULERS),
    ):
        key["anyOf"] = [{"enum": list(names)}, {"type": "null"}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A gradfleet sweep"}


def _section(name: str, model: type[BaseModel], *, said: str) -> Iterator[str]:
    """A section with one key said, so that it is not empty, and the others as comments."""
    yield f"{name}:"
    yield f"  {_line(model, said)}"
    for key in model.model_fields:
        if key != said:
            yield f"  # {_line(model, key)}"


def _line(model: type[BaseModel], key: str) -> str:
    return f"{key}: {_EXAMPLES[key]}  # {model.model_fields[key].description}"


def dimension_words(dimension: Dimension) -> str:
    """A dimension as `space` of a sweep file would say it."""
    if isinstance(dimension, Choice):
        return json.dumps(list(dimension.choices))
    assert isinstance(dimension, Float | Int)
    log = ", log: true" if dimension.log else ""
    return f"{{low: {dimension.low}, high: {dimension.high}{log}}}"
