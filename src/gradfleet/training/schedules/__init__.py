"""Schedules: what a name stands for, the curves, and what moves a value along them."""

from __future__ import annotations

from gradfleet.training.schedules.by_name import (
    SCHEDULES,
    Schedule,
    ScheduleChoice,
    build,
    from_json,
    problems,
    to_json,
)

__all__ = [
    "SCHEDULES",
    "Schedule",
    "ScheduleChoice",
    "build",
    "from_json",
    "problems",
    "to_json",
]
