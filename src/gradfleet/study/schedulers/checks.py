"""What the settings of several schedulers have to be."""

from __future__ import annotations

import math
from collections.abc import Iterator


def count_problems(scheduler: str, name: str, value: object, *, least: int = 1) -> Iterator[str]:
    """Why `value` is no count."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        yield f"{name} of {scheduler} is a whole number of at least {least}, got {value!r}."


def grace_problems(scheduler: str, grace: int | None) -> Iterator[str]:
    if grace is not None:
        yield from count_problems(scheduler, "grace", grace)


def factor_problems(scheduler: str, factor: object) -> Iterator[str]:
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not (1 < factor < math.inf):
        yield f"reduction_factor of {scheduler} is a number above 1, got {factor!r}."


def grace_of(grace: int | None, epochs: int) -> int:
    """The epochs before a trial is first judged: a ninth of them all, at least 1, where nothing else is said."""
    return max(1, epochs // 9) if grace is None else grace


def too_late(scheduler: str, grace: int | None, epochs: int) -> list[str]:
    """The problem of a first judgement after the last epoch."""
    if grace is None or grace <= epochs:
        return []
    return [f"{scheduler} would first judge after epoch {grace}, and a trial has {epochs}: make grace smaller."]
