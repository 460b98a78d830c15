"""Presets by name: what is installed, and how to make one."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from gradfleet.trials.recipes import TASKS, task_entry_point


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
