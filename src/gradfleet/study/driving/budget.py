"""How much a search may use: trials, wall time, a target, patience."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from gradfleet.errors import Problems, SettingError
from gradfleet.goal import Aim
from gradfleet.study.front import Front
from gradfleet.training.history import EpochRecord

_TEARDOWN = 1.0
"""Seconds of a time budget that are kept for ending: a last validation, the workers' end, the last writes."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def seconds(duration: str | float, *, what: str = "A budget") -> float:
    """A duration in seconds: a number is seconds already, text is such as "90s", "10m", "1h30m", "2d".

    Args:
        what: it is, for the error.

    Raises:
        SettingError: neither a positive number nor a duration.
    """
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        value = float(duration)
    else:
        text = str(duration).strip().lower().replace(" ", "")
        parts = _PART.findall(text)
        well_formed = "".join(number + unit for number, unit in parts) == text and bool(parts)
        value = sum(float(number) * _UNITS[unit] for number, unit in parts) if well_formed else math.nan
    if not (0 < value < math.inf):
        raise SettingError(
            f"{what} is a duration such as '90s', '10m' or '1h30m', or a number of seconds; got {duration!r}."
        )
    return value


def count_problems(name: str, value: object, *, least: int = 1) -> list[str]:
    """Why a setting is no count; empty when it is one."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        return [f"{name} is a whole number of at least {least}, got {value!r}."]
    return []


@dataclass(frozen=True, slots=True)
class Budget:
    """When a search ends; whichever limit comes first. Each may be None for no limit.

    Attributes:
        trials: how many trials in total, the default configuration included.
        seconds: wall time from the call of `fit` to its return.
        target: the search ends when a record's objective is at least as good.
        patience: the search ends after this many finished trials without a better one; with several objectives a
            trial that none before it beats in all of them is a gain too.
    """

    trials: int | None = None
    seconds: float | None = None
    target: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        problems = []
        for name in ("trials", "patience"):
            count = getattr(self, name)
            problems += [] if count is None else count_problems(name, count)
        if self.target is not None and not _is_number(self.target):
            problems.append(f"target is a number, got {self.target!r}.")
        if problems:
            raise SettingError(problems)

    @classmethod
    def of(
        cls,
        *,
        trials: int | None = None,
        budget: str | float | None = None,
        target: float | None = None,
        patience: int | None = None,
        endless: bool = True,
    ) -> Budget:
        """From what a user passes to `fit`; with neither trials nor time 10 minutes, 100 trials or 20 without gain.

        Args:
            endless: whether the search would go on for ever; one that ends by itself needs no limit.

        Raises:
            SettingError: with everything of this that cannot be.
        """
        if trials is None and budget is None and endless:
            return cls(trials=100, seconds=600.0, target=target, patience=20 if patience is None else patience)
        problems, limits, time = Problems(), cls(), None
        with problems:
            time = None if budget is None else seconds(budget)
        with problems:
            limits = cls(trials=trials, seconds=time, target=target, patience=patience)
        problems.refuse()
        return limits

    @property
    def training_seconds(self) -> float | None:
        """Of its wall time, after which no trial trains; None for no limit."""
        return None if self.seconds is None else max(self.seconds - _TEARDOWN, 0.5 * self.seconds)

    @property
    def overrun(self) -> float:
        """Seconds that a search may take beyond its wall time, whatever runs."""
        return 0.0 if self.seconds is None else max(2.0, 0.05 * self.seconds)

    def __str__(self) -> str:
        parts = []
        if self.trials is not None:
            parts.append("1 trial" if self.trials == 1 else f"{self.trials} trials")
        if self.seconds is not None:
            parts.append(f"{self.seconds:g} s")
        if self.target is not None:
            parts.append(f"a target of {self.target:g}")
        if self.patience is not None:
            parts.append(f"{self.patience} trials without a gain")
        return " or ".join(parts) or "everything was tried"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class Spending:
    """What a search has used of its trials, its patience and the way to its target.

    Attributes:
        budget: what it may use.
        has_begun: whether any trial has begun in this sweep.
        has_records: whether any trial has recorded the objective.
    """

    def __init__(self, budget: Budget, objective: Aim) -> None:
        self.budget = budget
        self.has_begun = False
        self.has_records = False
        self._objective = objective
        self._best: tuple[float, ...] | None = None
        self._front = Front()
        self._best_is_new = False
        self._ended_without_gain = 0
        self._target_reached = False

    def recorded(self, record: EpochRecord) -> None:
        self.has_records = True
        value, rank = self._objective.value(record.metrics), self._objective.rank(record.metrics)
        if not math.isnan(value) and (self._best is None or rank < self._best):
            self._best, self._best_is_new = rank, True
        if self._objective.final(record.metrics):
            self._best_is_new |= self._front.offer(self._objective.losses(record.metrics))
            self._target_reached |= self._objective.reached(value, self.budget.target)

    def ended(self) -> None:
        """A trial has ended; a gain that any running trial made since the last end counts."""
        self._ended_without_gain = 0 if self._best_is_new else self._ended_without_gain + 1
        self._best_is_new = False

    def allows(self, trials: int) -> bool:
        """Whether the search may have so many trials in all."""
        return self.budget.trials is None or trials <= self.budget.trials

    @property
    def target_reached(self) -> bool:
        return self._target_reached

    @property
    def patience_over(self) -> bool:
        return self.budget.patience is not None and self._ended_without_gain >= self.budget.patience
