"""A Gaussian process with a length for each dimension, fitted in milliseconds.

scikit-learn's regressor has neither priors on the hyperparameters, without which ten trials in ten dimensions are
fitted by anything, nor lengths shared by the columns of one choice, and takes a hundred times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from gradfleet.search.curves.axes import Array

USUAL_NOISE = 0.01
"""The noise variance that the prior is around, in units of the variance between trials."""

_LENGTHS = (0.03, 30.0)
_VARIANCES = (numpy.exp(-4.0), numpy.exp(4.0))
_NOISES = (1e-5, 2.0)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """
    Attributes:
        weights: one over the square of each dimension's length.
        variance: of the process.
        noise: the variance of what no configuration explains.
    """

    weights: Array
    variance: float
    noise: float


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Predicts the target of a configuration, and how sure that is.

    Args:
        features: a row for each observation.
        groups: the columns of each dimension.
        targets: around 0.
        noises: the variance of each target's own error.
    """

    features: Array
    groups: Sequence[slice]
    hyperparameters: Hyperparameters
    _factor: Array
    _weights: Array

    @classmethod
    def conditioned(
        cls, features: Array, groups: Sequence[slice], targets: Array, noises: Array, known: Hyperparameters
    ) -> GaussianProcess:
        scaled = _scaled(features, groups, known.weights)
        covariance = known.variance * _matern(_squared_distances(scaled, scaled))[0]
        covariance[numpy.diag_indices(len(targets))] += known.noise + noises + 1e-6
        factor = cholesky(covariance, lower=True, check_finite=False)
        return cls(scaled, groups, known, factor, cho_solve((factor, True), targets, check_finite=False))

    def predict(self, features: Array) -> tuple[Array, Array]:
        """The mean and the standard deviation at each row, without noise."""
        known = self.hyperparameters
        scaled = _scaled(features, self.groups, known.weights)
        covariance = known.variance * _matern(_squared_distances(self.features, scaled))[0]
        solved = solve_triangular(self._factor, covariance, lower=True, check_finite=False)
        variances = numpy.maximum(known.variance - (solved**2).sum(axis=0), 1e-10)
        return covariance.T @ self._weights, numpy.sqrt(variances)


def fitted(features: Array, groups: Sequence[slice], targets: Array, noises: Array) -> Hyperparameters:
    """The most probable hyperparameters.

    The priors are normal in the logarithm: lengths around half the distance that grows with the square root of the
    number of dimensions (Hvarfner et al., 2024, arXiv:2402.02229), the variance around 1, the noise around
    `USUAL_NOISE`; with deviations of 1, 1 and 1.5.
    """
    distances = numpy.stack([_squared_distances(features[:, group], features[:, group]) for group in groups])
    usual_length = 0.5 * numpy.sqrt(max(2, len(groups)) / 2)
    usual = numpy.log([*[usual_length] * len(groups), 1.0, USUAL_NOISE])
    posterior = _Posterior(distances, targets, noises, usual)
    bounds = numpy.log([*[_LENGTHS] * len(groups), _VARIANCES, _NOISES])
    best = minimize(posterior, usual, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 15, "maxfun": 25})
    lengths, (variance, noise) = numpy.exp(best.x[:-2]), numpy.exp(best.x[-2:])
    return Hyperparameters(lengths**-2, float(variance), float(noise))


class _Posterior:
    """The negative logarithm of the posterior and its gradient (Rasmussen and Williams, 2006, equations 5.8 and 5.9)
    in the logarithms of lengths, variance and noise.

    Args:
        distances: squared, between observations in each dimension: (dimensions, observations, observations).
    """

    def __init__(self, distances: Array, targets: Array, noises: Array, usual: Array) -> None:
        self._distances = distances.reshape(len(distances), -1)
        self._targets = targets
        self._noises = noises
        self._usual = usual
        self._deviations = numpy.array([*[1.0] * (len(usual) - 1), 1.5])

    def __call__(self, logarithms: Array) -> tuple[float, Array]:
        count = len(self._targets)
        weights, variance, noise = numpy.exp(-2 * logarithms[:-2]), *numpy.exp(logarithms[-2:])
        correlation, fall = _matern((weights @ self._distances).reshape(count, count))
        covariance = variance * correlation
        covariance[numpy.diag_indices(count)] += noise + self._noises + 1e-8
        try:
            factor = cholesky(covariance, lower=True, check_finite=False)
        except LinAlgError:
            return 1e10, numpy.zeros_like(logarithms)
        inverse = cho_solve((factor, True), numpy.eye(count), check_finite=False)
        solved = inverse @ self._targets
        likelihood = 0.5 * self._targets @ solved + numpy.log(numpy.diag(factor)).sum()
        by_covariance = 0.5 * (inverse - numpy.outer(solved, solved))
        by_length = 2 * variance * weights * (self._distances @ (by_covariance * fall).ravel())
        by_variance = variance * (by_covariance * correlation).sum()
        by_noise = noise * numpy.trace(by_covariance)
        away = (logarithms - self._usual) / self._deviations
        gradient = numpy.array([*by_length, by_variance, by_noise]) + away / self._deviations
        return float(likelihood + 0.5 * away @ away), gradient


def _matern(squared: Array) -> tuple[Array, Array]:
    """The Matern 5/2 correlation at squared distances, and how fast it falls with them (Rasmussen and Williams, 2006,
    equation 4.17)."""
    squared = numpy.maximum(squared, 1e-12)
    root = numpy.sqrt(5 * squared)
    decay = numpy.exp(-root)
    return (1 + root + 5 / 3 * squared) * decay, 5 / 6 * (1 + root) * decay


def _scaled(features: Array, groups: Sequence[slice], weights: Array) -> Array:
    """Columns in units of their dimension's length."""
    widths = [group.stop - group.start for group in groups]
    return features * numpy.repeat(numpy.sqrt(weights), widths)


def _squared_distances(one: Array, other: Array) -> Array:
    """Between each row of `one` and each of `other`."""
    return numpy.asarray((one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T)
