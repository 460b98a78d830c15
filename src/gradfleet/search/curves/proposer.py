"""The next configuration of a search, from what the earlier ones reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol, TypeAlias

import numpy

from gradfleet.search.curves.axes import Array
from gradfleet.search.curves.encoding import Encoding
from gradfleet.search.curves.finals import Curve, Finals, estimated_finals
from gradfleet.search.curves.forest import Forest
from gradfleet.search.curves.gaussian_process import GaussianProcess, fitted
from gradfleet.search.curves.improvement import log_expected_improvement
from gradfleet.search.curves.scaling import noise, standardised
from gradfleet.search.grid import Grid
from gradfleet.search.space import SearchSpace
from gradfleet.search.suggester import Config

STARTUP = 8
"""Trials that are spread over the space before a model is asked."""

LEAST_KNOWN = 3
"""Trials with a score that a model needs."""

CANDIDATES = 64
"""Few on purpose: the model's best of thousands is often where it errs most."""

RANDOM_SHARE = 0.15
"""Of trials that are drawn evenly, so that no error of the models lasts for ever."""

FIT_ROWS = 64
"""Observations that the hyperparameters of the Gaussian process are fitted to; it is conditioned on all of them."""

_INCUMBENTS = 5
_MUTATION_SCALES = (0.02, 0.3)


@dataclass(frozen=True, slots=True)
class Past:
    """A trial that came before.

    Attributes:
        curve: of finite scores, larger is better; a complete trial's has its last epoch.
    """

    config: Config
    curve: Curve
    outcome: Literal["running", "stopped", "complete", "failed"]


class _Model(Protocol):
    def predict(self, features: Array) -> tuple[Array, Array]:
        """Means and standard deviations."""
        ...


_View: TypeAlias = Callable[[Array], Array]
"""From the encoding's rows to the features of a model."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What models are fitted to, a row a trial: standardised scores, and the variances of their errors."""

    rows: Array
    targets: Array
    noises: Array


class Proposer:
    """Models the final score over the space, and proposes where it is expected to improve most.

    A Gaussian process and a forest of extremely randomised trees take turns: each finds what the other is blind to.
    Scores of trials that ended early are what they would have reached, less certain the earlier they ended. The first
    trials, and a share of all later ones, owe nothing to a model.

    Attributes:
        encoding: of configurations as rows, and their keys.

    Args:
        epochs: the last epoch of a trial.
        keeps_best: a trial is worth its best record; otherwise its last one.
    """

    def __init__(self, space: SearchSpace, *, epochs: int, keeps_best: bool = True) -> None:
        self._space = space
        self.encoding = Encoding(space)
        self._epochs = epochs
        self._keeps_best = keeps_best

    def propose(
        self, past: Sequence[Past], rng: numpy.random.Generator, *, turn: int, tried: Collection[bytes] = ()
    ) -> Config:
        """What the next trial trains.

        Args:
            turn: the trial's number; the models take turns by it.
            tried: keys of the encoding beside those of `past` that are not to be proposed again.
        """
        rows = self.encoding.rows([one.config for one in past])
        tried = {*self.encoding.keys(rows), *tried}
        known = sum(bool(one.curve) for one in past)
        if len(past) < STARTUP or known < LEAST_KNOWN or not self.encoding.num_varying:
            return self.encoding.config(self._farthest(rows, rng, tried))
        if rng.random() < RANDOM_SHARE:
            return self.encoding.config(self._untried(self.encoding.draw(rng, CANDIDATES), tried)[0])
        return self.encoding.config(self._most_promising(self._learned(past, rows), rng, turn, tried))

    def _farthest(self, rows: Array, rng: numpy.random.Generator, tried: Collection[bytes]) -> Array:
        """Of some drawn evenly, the one that is farthest from all that were tried."""
        drawn = self._untried(self.encoding.draw(rng, CANDIDATES), tried)
        if not len(rows):
            return drawn[0]
        ours, theirs = self.encoding.smooth(drawn), self.encoding.smooth(rows)
        distances = ((ours[:, None] - theirs[None]) ** 2).sum(axis=2).min(axis=1)
        return drawn[distances.argmax()]

    def _learned(self, past: Sequence[Past], rows: Array) -> _Known:
        """A trial that failed counts as the worst known, one that has not reported yet as the median.

        One that runs counts for certain as what it is thought to reach, so that those beside it go elsewhere.
        """
        scored = numpy.array([bool(one.curve) for one in past])
        running = numpy.array([one.outcome == "running" for one in past])
        curves = [one.curve for one in past if one.curve]
        finals = estimated_finals(curves, epochs=self._epochs, keeps_best=self._keeps_best)
        scores, variances = numpy.zeros(len(past)), numpy.zeros(len(past))
        scores[~scored] = numpy.where(running[~scored], numpy.median(finals.scores), finals.scores.min())
        scores[scored] = finals.scores
        variances[scored & ~running] = finals.variances[~running[scored]]
        targets = standardised(scores)
        return _Known(rows, targets, noise(Finals(scores, variances), targets))

    def _most_promising(self, known: _Known, rng: numpy.random.Generator, turn: int, tried: Collection[bytes]) -> Array:
        model, view = self._model(known, rng, turn)
        at_known, _ = model.predict(view(known.rows))
        candidates = self._untried(self._candidates(known.rows[numpy.argsort(-at_known, kind="stable")], rng), tried)
        means, deviations = model.predict(view(candidates))
        gains = log_expected_improvement(means, deviations, float(at_known.max()))
        ties = 1e-6 * rng.random(len(gains))  # trees give many candidates the same prediction
        return candidates[(gains + ties).argmax()]

    def _model(self, known: _Known, rng: numpy.random.Generator, turn: int) -> tuple[_Model, _View]:
        encoding = self.encoding
        if turn % 2 == 0:
            return Forest.grown(encoding.split(known.rows), known.targets, known.noises, rng), encoding.split
        some, features = _for_fit(known.targets, rng), encoding.smooth(known.rows)
        hyperparameters = fitted(features[some], encoding.groups, known.targets[some], known.noises[some])
        process = GaussianProcess.conditioned(features, encoding.groups, known.targets, known.noises, hyperparameters)
        return process, encoding.smooth

    def _candidates(self, best_first: Array, rng: numpy.random.Generator) -> Array:
        """Half of them drawn evenly, half near the configurations that the model thinks best."""
        half = CANDIDATES // 2
        drawn = self.encoding.draw(rng, half)
        parents = numpy.repeat(best_first[:_INCUMBENTS], -(-half // _INCUMBENTS), axis=0)[:half]
        least, most = map(math.log, _MUTATION_SCALES)
        scales = numpy.exp(rng.uniform(least, most, size=len(parents)))
        return numpy.concatenate([drawn, self.encoding.mutated(rng, parents, scales)])

    def _untried(self, rows: Array, tried: Collection[bytes]) -> Array:
        """Those that were not tried; where all were and the space is finite, the first of those that are left there.

        Where nothing is left, all of them.
        """
        fresh = [key not in tried for key in self.encoding.keys(rows)]
        if any(fresh) or not self.encoding.is_finite:
            return rows[fresh] if any(fresh) else rows
        every = (self.encoding.rows([config]) for config in Grid(self._space))
        left = list(islice((row for row in every if self.encoding.keys(row)[0] not in tried), CANDIDATES))
        return numpy.concatenate(left) if left else rows


def _for_fit(targets: Array, rng: numpy.random.Generator) -> Array:
    """The places of at most `FIT_ROWS` observations: half of them the best, the others drawn from the rest."""
    if len(targets) <= FIT_ROWS:
        return numpy.arange(len(targets))
    best_first = numpy.argsort(-targets, kind="stable")
    best, rest = best_first[: FIT_ROWS // 2], best_first[FIT_ROWS // 2 :]
    return numpy.concatenate([best, rng.permutation(rest)[: FIT_ROWS - len(best)]])
