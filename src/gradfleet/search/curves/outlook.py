"""What a model expects of configurations that nobody has tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy

from gradfleet.search.curves.axes import Array
from gradfleet.search.curves.encoding import Encoding
from gradfleet.search.curves.forest import Forest
from gradfleet.search.curves.gaussian_process import GaussianProcess, fitted
from gradfleet.search.curves.improvement import log_expected_improvement
from gradfleet.search.curves.knowledge import Knowledge

FIT_ROWS = 64
"""Observations that the hyperparameters of the Gaussian process are fitted to; it is conditioned on all of them."""


class Model(Protocol):
    def predict(self, features: Array) -> tuple[Array, Array]:
        """The mean and the standard deviation at each row."""
        ...


@dataclass(frozen=True, slots=True)
class Outlook:
    """A model, and how it sees the encoding's rows.

    Attributes:
        best_first: the known rows in the order in which the model, which smooths, thinks of them.
        best: what it thinks of the best of them.
    """

    model: Model
    view: Callable[[Array], Array]
    best_first: Array
    best: float

    @classmethod
    def from_trees(cls, known: Knowledge, encoding: Encoding, rng: numpy.random.Generator) -> Outlook:
        forest = Forest.grown(encoding.split(known.rows), known.targets, known.noises, rng)
        return cls._of(known, forest, encoding.split)

    @classmethod
    def from_process(cls, known: Knowledge, encoding: Encoding, rng: numpy.random.Generator) -> Outlook:
        features, groups, some = encoding.smooth(known.rows), encoding.groups, _for_fit(known.targets, rng)
        hyperparameters = fitted(features[some], groups, known.targets[some], known.noises[some])
        process = GaussianProcess.conditioned(features, groups, known.targets, known.noises, hyperparameters)
        return cls._of(known, process, encoding.smooth)

    @classmethod
    def _of(cls, known: Knowledge, model: Model, view: Callable[[Array], Array]) -> Outlook:
        means, _ = model.predict(view(known.rows))
        return cls(model, view, known.rows[numpy.argsort(-means, kind="stable")], float(means.max()))

    def gains(self, rows: Array) -> Array:
        """The logarithm of the improvement that is expected of each."""
        means, deviations = self.model.predict(self.view(rows))
        return log_expected_improvement(means, deviations, self.best)


def _for_fit(targets: Array, rng: numpy.random.Generator) -> Array:
    """The places of at most `FIT_ROWS` observations: half of them the best, the others drawn from the rest."""
    if len(targets) <= FIT_ROWS:
        return numpy.arange(len(targets))
    best_first = numpy.argsort(-targets, kind="stable")
    best, rest = best_first[: FIT_ROWS // 2], best_first[FIT_ROWS // 2 :]
    return numpy.concatenate([best, rng.permutation(rest)[: FIT_ROWS - len(best)]])
