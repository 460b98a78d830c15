"""Presets by name: what is installed, how to make one, and the types that a preset is written with."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from gradfleet.export.formats import Exported as Exported
from gradfleet.training.evaluation import Evaluation as Evaluation
from gradfleet.trials.plan import Config as Config
from gradfleet.trials.recipe import Recipe as Recipe
from gradfleet.trials.recipes import TASKS, task_entry_point
from gradfleet.trials.recipes import TaskReference as TaskReference


def available_tasks() -> list[str]:
    """The names that `autotask` takes, of every installed package that brings presets."""
    return sorted(entry_points(group=TASKS).names)


def autotask(name: str, data: Any, **options: Any) -> Any:
    """The preset of that name over `data`: `autotask("image-classification", "flowers/")`.

    Args:
        options: of the preset's own constructor.

    Raises:
        NotFoundError: no such preset is installed; the nearest name is suggested.
    """
    return task_entry_point(name).load()(data, **options)
