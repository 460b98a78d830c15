"""Where a study's recipe comes from when another process asks for it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import cloudpickle
import fsspec

from gradfleet.errors import ExecutionError, NotFoundError, unknown_name
from gradfleet.trials import checkpoints
from gradfleet.trials.recipe import Recipe

TASKS = "gradfleet.tasks"
"""The entry-point group through which presets are found."""

_FILE = "recipe.pkl"


@dataclass(frozen=True, slots=True)
class TaskReference:
    """A recipe that has a name: an installed task and its options, which are JSON values."""

    task: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "task", "name": self.task, "options": dict(self.options)}


def task_entry_point(name: str) -> EntryPoint:
    """The installed task of that name, not loaded yet.

    Raises:
        NotFoundError: no installed package brings such a task; those there are and the nearest are named.
    """
    found = entry_points(group=TASKS)
    if name not in found.names:
        raise NotFoundError(unknown_name("task", name, found.names))
    return found[name]


def pickle_reference(place: str) -> dict[str, Any]:
    """The reference to a recipe that `store_recipe` writes under a study's own place."""
    return {"kind": "pickle", "place": f"{place}/recipe"}


def store_recipe(data: bytes, place: str) -> None:
    """Write a recipe without a name, as `by_value` made it, beside the study's checkpoints."""

    def save(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FILE).write_bytes(data)

    checkpoints.write(pickle_reference(place)["place"], save)


def has_recipe(place: str) -> bool:
    """Whether `store_recipe` has written one there."""
    filesystem, path = fsspec.core.url_to_fs(f"{pickle_reference(place)['place']}/{_FILE}")
    return bool(filesystem.exists(path))


def load_recipe(reference: Mapping[str, Any], *, trusted: bool) -> Recipe:
    """The recipe that a study's spec refers to.

    Raises:
        NotFoundError: the task is not installed here.
        ExecutionError: the recipe is a pickle, which runs its author's code, and `trusted` was not said.
    """
    if reference["kind"] == "task":
        task = task_entry_point(reference["name"]).load()
        recipe: Recipe = task.recipe(**reference["options"])
        return recipe
    if not trusted:
        raise ExecutionError(
            f"This study's recipe was written by value ({reference['place']}), and loading it runs its author's code. "
            "If you trust it, pass trust_recipe=True."
        )
    loaded: Recipe = pickle.loads((checkpoints.fetch(reference["place"]) / _FILE).read_bytes())
    return loaded


def by_value(recipe: object) -> bytes:
    """A recipe, or what holds one, as bytes: what was written in a notebook or a script included.

    Raises:
        ExecutionError: a part of it cannot be pickled; Python's own message names it.
    """
    try:
        return bytes(cloudpickle.dumps(recipe))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ExecutionError(
            f"The recipe cannot leave this process: {error}. Builders and callbacks may not hold open files, locks or "
            "connections; make those inside the builder."
        ) from error
