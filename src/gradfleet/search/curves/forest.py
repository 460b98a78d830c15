"""Extremely randomised trees: a model of steps, plateaus and branches, where a Gaussian process sees slopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from gradfleet.search.curves.axes import Array

NUM_TREES = 16


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees split at random thresholds of the best feature (Geurts et al., 2006), each grown on all observations.

    The trees are scikit-learn's. Its `ExtraTreesRegressor` would be the same forest; it takes half as long again on a
    few hundred rows, and does not hand out what each tree predicts.
    """

    trees: tuple[Any, ...]

    @classmethod
    def grown(cls, features: Array, targets: Array, noises: Array, rng: numpy.random.Generator) -> Forest:
        """
        Args:
            noises: the variance of each target's own error; a target weighs 1 / (0.1 + variance).
        """
        import sklearn  # takes seconds to import, and a short search never needs it
        from sklearn.tree import ExtraTreeRegressor

        seeds = rng.integers(1 << 30, size=NUM_TREES).tolist()
        trees = tuple(ExtraTreeRegressor(max_features=1.0, random_state=seed) for seed in seeds)
        columns = features.astype(numpy.float32)
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            for tree in trees:
                tree.fit(columns, targets, sample_weight=1 / (0.1 + noises), check_input=False)
        return cls(trees)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """The mean of the trees and their standard deviation at each row (Hutter et al., 2011)."""
        columns = features.astype(numpy.float32)
        each = numpy.stack([tree.predict(columns, check_input=False) for tree in self.trees])
        return each.mean(axis=0), each.std(axis=0) + 1e-9
