"""What a search is after: one metric and its direction, decided once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gradfleet.errors import SettingError

Mode = Literal["min", "max"]

CALIBRATED_LOSS = "val_calibrated_loss"
"""The metric that tells trials apart whose objective is equal, where a recipe calibrates its probabilities."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric that the sampler, the scheduler, the checkpoints and the leaderboard all read.

    Example:
        >>> Objective("val_accuracy", "max").better(0.9, than=0.8)
        True

    Raises:
        SettingError: the metric has no name, or the mode is neither "min" nor "max".
    """

    metric: str
    mode: Mode

    def __post_init__(self) -> None:
        metric: object = self.metric
        if not isinstance(metric, str) or not metric:
            raise SettingError(f"An objective needs the name of a metric, such as 'val_accuracy'; got {metric!r}.")
        if self.mode not in get_args(Mode):
            raise SettingError(f"An objective's mode is 'min' or 'max', got {self.mode!r}.")

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """This one alone; a `Goal` has several."""
        return (self,)

    @property
    def constraints(self) -> tuple[Any, ...]:
        """None; a `Goal` may have some."""
        return ()

    @property
    def num_runs(self) -> int:
        """How many runs a trial has: one; a `Goal` may have more."""
        return 1

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that a record must have."""
        return (self.metric,)

    def value(self, metrics: Mapping[str, float]) -> float:
        """The objective's value in one record's metrics.

        Raises:
            SettingError: the record has no such metric; those it has are listed.
        """
        if self.metric not in metrics:
            present = ", ".join(sorted(metrics)) or "none"
            raise SettingError(
                f"The objective is {self.metric!r}, but the record has no such metric. It has: {present}."
            )
        return float(metrics[self.metric])

    def better(self, value: float, *, than: float | None) -> bool:
        """Whether `value` beats `than`. Anything beats None; NaN beats nothing and is beaten by every number."""
        if math.isnan(value):
            return False
        if than is None or math.isnan(than):
            return True
        return value > than if self.mode == "max" else value < than

    def rank(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """A sort key, smaller is better: the objective first; equal values are told apart by a loss that is recorded.

        That is `val_calibrated_loss`, then `val_loss`: on few validation rows models are often right alike, and the
        plain loss is less the surer they are. Records that have the former go first. A record whose objective is
        missing or NaN sorts last.
        """
        value = metrics.get(self.metric, math.nan)
        first = math.inf if math.isnan(value) else (-value if self.mode == "max" else value)
        losses = (metrics.get(name, math.inf) for name in (CALIBRATED_LOSS, "val_loss"))
        return first, *(math.inf if math.isnan(loss) else loss for loss in losses)

    def reached(self, value: float, target: float | None) -> bool:
        """Whether `value` is at least as good as `target`; False without a target."""
        if target is None:
            return False
        return value >= target if self.mode == "max" else value <= target

    def violation(self, metrics: Mapping[str, float]) -> float:
        """By how much constraints are broken: an objective alone has none."""
        return 0.0

    def excesses(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """By how much each constraint is broken: an objective alone has none."""
        return {}

    def final(self, metrics: Mapping[str, float]) -> bool:
        """Whether a record may end the search at a target: any may."""
        return True

    def losses(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """The objective as one number that is better the smaller it is; infinity for NaN or none."""
        return (self.rank(metrics)[0],)

    def to_json(self) -> dict[str, Any]:
        return {"metric": self.metric, "mode": self.mode}
