"""How much better than the best a configuration is expected to be."""

from __future__ import annotations

import numpy
from scipy.special import erfcx, ndtr

from gradfleet.search.curves.axes import Array

_ROOT_TAU = numpy.sqrt(2 * numpy.pi)
_FAR = -1e4
"""From here on the series of `erfcx` has no digits left, and its first term is exact."""


def log_expected_improvement(means: Array, deviations: Array, best: float) -> Array:
    """The logarithm of E[max(0, Y - best)] where Y is normal: deviation * (density(z) + z * distribution(z)) with
    z = (mean - best) / deviation (Jones et al., 1998, equation 15).

    In the logarithm, so that what is hopeless is ordered too; it would all be 0. Below z = -1 the two terms cancel,
    and their sum is density(z) * (1 + z * sqrt(pi / 2) * erfcx(-z / sqrt(2))) (Ament et al., 2023, arXiv:2310.20708).
    """
    z = (means - best) / deviations
    near, low = numpy.maximum(z, -1.0), numpy.clip(z, _FAR, -1.0)
    direct = numpy.log(numpy.exp(-0.5 * near**2) / _ROOT_TAU + near * ndtr(near))
    tail = numpy.log1p(low * numpy.sqrt(numpy.pi / 2) * erfcx(-low / numpy.sqrt(2)))
    tail = numpy.where(z < _FAR, -2 * numpy.log(numpy.maximum(-z, 1.0)), tail)
    scaled = numpy.where(z > -1.0, direct, -0.5 * z**2 - numpy.log(_ROOT_TAU) + tail)
    return numpy.asarray(numpy.log(deviations) + scaled)
