"""Optimizers: what a name stands for, and their values and learning rates."""

from __future__ import annotations

from gradfleet.training.optimizers.by_name import (
    LEARNING_RATES,
    OPTIMIZERS,
    OptimizerChoice,
    build,
    from_json,
    problems,
    to_json,
    values_of,
)
from gradfleet.training.optimizers.layer_rates import LayerRates
from gradfleet.training.optimizers.made import MadeOptimizers

__all__ = [
    "LEARNING_RATES",
    "OPTIMIZERS",
    "LayerRates",
    "MadeOptimizers",
    "OptimizerChoice",
    "build",
    "from_json",
    "problems",
    "to_json",
    "values_of",
]
