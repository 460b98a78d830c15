"""How much of the objective's variation each dimension explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy
import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FixedTrial, create_trial

from gradfleet.search.dimensions import Dimension

if TYPE_CHECKING:
    from gradfleet.trials.plan import Config

FEWEST = 4
"""Trials with a result below which nothing is said."""

_MOST = 400  # the forest's time grows with every trial, and its answer does not


def importances(dimensions: Mapping[str, Dimension], results: Sequence[tuple[Config, float]]) -> dict[str, float]:
    """Each dimension's share of the variation of the objective, most important first; together 1.

    fANOVA (Hutter, Hoos and Leyton-Brown 2014) with Optuna's forest, over the best records of complete and pruned
    trials. Where a trial's branch has no such dimension it counts with its default, as is usual for conditional
    spaces. With fewer than 4 different results, or without variation, all shares are equal: nothing is known.

    Args:
        dimensions: those that are asked about.
        results: configurations with the value that each reached.
    """
    pairs = [pair for pair in results if numpy.isfinite(pair[1])]
    pairs = pairs[:: -(-len(pairs) // _MOST) or 1]
    if len(dimensions) < 2 or len({value for _, value in pairs}) < FEWEST:
        return dict.fromkeys(dimensions, 1 / max(1, len(dimensions)))
    distributions = {name: distribution(name, dimension) for name, dimension in dimensions.items()}
    study = quiet_study()
    for config, value in pairs:
        given = {name: config.get(name, dimension.start) for name, dimension in dimensions.items()}
        fitting = {name: one if _fits(dimensions[name], one) else dimensions[name].start for name, one in given.items()}
        study.add_trial(create_trial(params=fitting, distributions=distributions, value=value))
    found = FanovaImportanceEvaluator(seed=0).evaluate(study, params=list(dimensions))
    total = sum(found.values())
    if not total > 0:
        return dict.fromkeys(dimensions, 1 / len(dimensions))
    return {name: found[name] / total for name in sorted(found, key=lambda name: -found[name])}


def _fits(dimension: Dimension, value: object) -> bool:
    """False for what an earlier, other space has drawn."""
    return dimension.problem(value) is None


def distribution(name: str, dimension: Dimension) -> BaseDistribution:
    """Optuna's own of a dimension."""
    fixed = FixedTrial({name: dimension.start})
    dimension.suggest(fixed, name)
    return fixed.distributions[name]


def quiet_study(direction: Literal["minimize", "maximize"] = "minimize") -> optuna.Study:
    """One in memory, made without a line in the log."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction=direction)
    finally:
        optuna.logging.set_verbosity(verbosity)
