"""What trials would have reached with all their epochs, from curves that ended at any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy

from gradfleet.search.curves.axes import Array

Curve = Mapping[int, float]
"""From epochs to scores, larger is better."""


@dataclass(frozen=True, slots=True)
class Finals:
    """Estimates of final scores, and the variances of their errors: 0 for what was measured."""

    scores: Array
    variances: Array


def estimated_finals(curves: Sequence[Curve], *, epochs: int, keeps_best: bool = True) -> Finals:
    """The best score of each curve's trial, had it trained on to the last epoch.

    Trials end at few different epochs, the levels. From each level to the next, the gain is regressed on the score at
    the level over all trials that have both; a trial is carried on from level to level, and its variance grows with
    that of each regression. The slope is between -0.9 and 0, for what is behind has more to gain, and is shrunk
    towards 0 by a ridge of a fifth of the variance between trials; the residual variance counts two more observations
    of a tenth of their deviation. So a single long curve is enough to begin with.

    Args:
        curves: none of them empty, every score finite.
        epochs: the last epoch.
        keeps_best: a score is the best one so far, as a trial keeps its best record; otherwise the last one counts,
            as where each is the mean of more runs than the one before.
    """
    reached = numpy.array([min(max(curve), epochs) for curve in curves])
    levels = sorted({*reached.tolist(), epochs})
    table = _at_levels(curves, reached, levels, keeps_best=keeps_best)
    scores = table[numpy.arange(len(curves)), numpy.searchsorted(levels, reached)]
    variances, spread = numpy.zeros(len(curves)), float(scores.std()) + 1e-12
    for place, level in enumerate(levels[:-1]):
        step = _Step.fitted(table[:, place], table[:, place + 1], spread)
        here = reached == level
        scores[here] = step.carried(scores[here], least=0.0 if keeps_best else -numpy.inf)
        variances[here] = step.widened(variances[here])
        reached[here] = levels[place + 1]
    return Finals(scores, variances)


@dataclass(frozen=True, slots=True)
class _Step:
    """The regression of the gain from one level to the next."""

    centre: float
    gain: float
    slope: float
    variance: float

    @classmethod
    def fitted(cls, before: Array, after: Array, spread: float) -> _Step:
        both = ~(numpy.isnan(before) | numpy.isnan(after))
        scores, gains = before[both], after[both] - before[both]
        if not len(scores):
            return cls(0.0, 0.0, 0.0, (0.3 * spread) ** 2)
        centre, gain = scores.mean(), gains.mean()
        moments = ((scores - centre) * (gains - gain)).sum(), ((scores - centre) ** 2).sum()
        slope = numpy.clip(moments[0] / (moments[1] + 0.2 * spread**2 + 1e-12), -0.9, 0.0)
        residuals = gains - gain - slope * (scores - centre)
        variance = ((residuals**2).sum() + 2 * (0.1 * spread) ** 2) / (len(scores) + 2)
        return cls(float(centre), float(gain), float(slope), float(variance))

    def carried(self, scores: Array, *, least: float) -> Array:
        return scores + numpy.maximum(least, self.gain + self.slope * (scores - self.centre))

    def widened(self, variances: Array) -> Array:
        return variances * (1 + self.slope) ** 2 + self.variance


def _at_levels(curves: Sequence[Curve], reached: Array, levels: Sequence[int], *, keeps_best: bool) -> Array:
    """The score of each curve, a row, at each level; NaN before its first record and after its last one."""
    lengths = [len(curve) for curve in curves]
    epochs = numpy.minimum(numpy.fromiter(chain.from_iterable(curves), dtype=int), levels[-1])
    known, columns = numpy.unique(epochs, return_inverse=True)
    scores = numpy.full((len(curves), len(known)), numpy.nan)
    values = chain.from_iterable(curve.values() for curve in curves)
    scores[numpy.repeat(numpy.arange(len(curves)), lengths), columns] = numpy.fromiter(values, dtype=float)
    scores = numpy.fmax.accumulate(scores, axis=1) if keeps_best else _carried_forward(scores)
    places = numpy.searchsorted(known, levels, side="right") - 1
    return numpy.where(numpy.array(levels) <= reached[:, None], scores[:, places], numpy.nan)


def _carried_forward(scores: Array) -> Array:
    """Each NaN replaced by the last number before it in its row."""
    places = numpy.where(numpy.isnan(scores), 0, numpy.arange(scores.shape[1]))
    return numpy.take_along_axis(scores, numpy.maximum.accumulate(places, axis=1), axis=1)
