"""Metrics: what a name stands for, arithmetic of them, and one pass of the data measured."""

from __future__ import annotations

from gradfleet.training.metrics.by_name import (
    DEFAULTS,
    METRICS,
    MetricChoices,
    build,
    import_needed,
    names_of,
    problems,
)

__all__ = ["DEFAULTS", "METRICS", "MetricChoices", "build", "import_needed", "names_of", "problems"]
