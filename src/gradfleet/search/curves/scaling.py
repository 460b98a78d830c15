"""Scores on a scale that models can be fitted to."""

from __future__ import annotations

import numpy

from gradfleet.search.curves.axes import Array
from gradfleet.search.curves.finals import Finals

MOST_NOISE = 4.0
"""The largest noise variance, in units of the variance between trials: beyond it an estimate says nothing."""


def standardised(scores: Array) -> Array:
    """Mean 0 and deviation 1, with the bad half drawn together; larger stays better, equal stays equal.

    What is below the median counts by the logarithm of its distance, in deviations of the better half: how bad a bad
    configuration is says nothing of where the best one is, and one that diverged would flatten all the others.
    """
    centred = scores - numpy.median(scores)
    unit = _deviation(centred[centred >= 0]) or _deviation(centred)
    if not unit:
        return numpy.zeros(len(scores))
    relative = centred / unit
    drawn = numpy.where(relative < 0, -numpy.log1p(numpy.maximum(-relative, 0)), relative)
    return (drawn - drawn.mean()) / (drawn.std() + 1e-12)


def noise(finals: Finals, targets: Array) -> Array:
    """The variances of `finals` on the scale of its standardised scores, `targets`.

    By how far one deviation up and down goes there: the scale is read off between the scores that there are. Beyond
    those it would read as flat, so 0.3 deviations of the scores are the least that counts.
    """
    deviations = numpy.sqrt(finals.variances)
    order = numpy.argsort(finals.scores, kind="stable")
    scores, scale = finals.scores[order], targets[order]
    up = numpy.interp(finals.scores + deviations, scores, scale)
    down = numpy.interp(finals.scores - deviations, scores, scale)
    least = (0.3 * deviations / (finals.scores.std() + 1e-12)) ** 2
    return numpy.minimum(numpy.maximum(((up - down) / 2) ** 2, least), MOST_NOISE)


def _deviation(numbers: Array) -> float:
    """The standard deviation; 0 where that is rounding alone."""
    deviation = float(numbers.std())
    return deviation if deviation > 1e-12 * float(numpy.abs(numbers).max()) else 0.0
