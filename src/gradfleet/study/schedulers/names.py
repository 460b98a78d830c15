"""Names of schedulers, and what each stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gradfleet.errors import SettingError, unknown_name
from gradfleet.study.schedulers.asha import Asha
from gradfleet.study.schedulers.hyperband import Hyperband
from gradfleet.study.schedulers.median import Median
from gradfleet.study.schedulers.pasha import Pasha
from gradfleet.study.schedulers.population import Population
from gradfleet.study.schedulers.scheduler import Course, NoScheduler, Scheduler, SchedulerOptions

SchedulerChoice = str | SchedulerOptions | None


@dataclass(frozen=True, slots=True)
class Alone:
    """No scheduler: every trial has all its epochs."""

    @property
    def single(self) -> bool:
        return False

    def problems(self, *, epochs: int, trials: int | None) -> list[str]:
        return []

    def build(self, course: Course) -> Scheduler:
        return NoScheduler()

    def to_json(self) -> dict[str, Any]:
        return {"name": "none"}


SCHEDULERS: Mapping[str, Callable[[], SchedulerOptions]] = {
    "asha": Asha,
    "hyperband": Hyperband,
    "median": Median,
    "none": Alone,
    "pasha": Pasha,
    "pbt": Population,
}


def scheduler_options(choice: SchedulerChoice) -> SchedulerOptions:
    """The settings that a choice stands for: a name has its scheduler's defaults, None is "none".

    Raises:
        SettingError: nobody knows the name, or the choice is neither a name nor a scheduler's settings.
    """
    if choice is None:
        return Alone()
    if isinstance(choice, str):
        if choice not in SCHEDULERS:
            raise SettingError(unknown_name("scheduler", choice, SCHEDULERS))
        return SCHEDULERS[choice]()
    if isinstance(choice, type) or not all(hasattr(choice, name) for name in ("problems", "build", "to_json")):
        raise SettingError(f"A scheduler is a name or one's settings such as Asha(grace=2), got {choice!r}.")
    return choice
