"""What a trial must keep to be a result at all."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from gradfleet.errors import SettingError

Relation = Literal["<=", ">="]
_TEXT = re.compile(r"\s*(\S+)\s*([<>]=)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A metric with the limit that it must keep.

    Example:
        >>> Constraint.of("latency_ms <= 20").excess({"latency_ms": 25.0})
        0.25

    Raises:
        SettingError: the metric has no name, the relation is neither "<=" nor ">=", or the limit is no finite number.
    """

    metric: str
    relation: Relation
    limit: float

    def __post_init__(self) -> None:
        if not self.metric or self.relation not in get_args(Relation) or not _is_limit(self.limit):
            raise SettingError(_wrong((self.metric, self.relation, self.limit)))

    @classmethod
    def of(cls, given: Constraint | str) -> Constraint:
        """A constraint as it is, or from a text such as "num_parameters <= 1e6".

        Raises:
            SettingError: the text is no constraint.
        """
        if isinstance(given, Constraint):
            return given
        found = _TEXT.fullmatch(str(given))
        try:
            limit = float(found[3]) if found else math.nan
        except ValueError:
            limit = math.nan
        if found is None or math.isnan(limit):
            raise SettingError(_wrong(given))
        return cls(found[1], "<=" if found[2] == "<=" else ">=", limit)

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.limit:.15g}"

    def excess(self, metrics: Mapping[str, float]) -> float:
        """By how much of the limit it is broken (of 1, where the limit is 0); zero or less where it is kept.

        A metric that is missing or NaN breaks it altogether.
        """
        value = float(metrics.get(self.metric, math.nan))
        if math.isnan(value):
            return math.inf
        beyond = value - self.limit if self.relation == "<=" else self.limit - value
        return beyond / (abs(self.limit) or 1.0)


def _is_limit(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _wrong(given: object) -> str:
    return f"A constraint is a metric with its limit, such as 'latency_ms <= 20' or 'val_recall >= 0.9'; got {given!r}."
