"""What earlier trials say of the space, as numbers that a model can be fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy

from gradfleet.search.curves.axes import Array
from gradfleet.search.curves.finals import Curve, Finals, estimated_finals
from gradfleet.search.curves.scaling import noise, standardised
from gradfleet.search.suggester import Config


@dataclass(frozen=True, slots=True)
class Past:
    """A trial that came before.

    Attributes:
        curve: of finite scores, larger is better; a complete trial's has its last epoch, a failed trial's is empty.
    """

    config: Config
    curve: Curve
    outcome: Literal["running", "stopped", "complete", "failed"]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A row a trial.

    Attributes:
        rows: its configuration, encoded.
        targets: its standardised final score, estimated where it ended early.
        noises: the variance of that estimate's error.
    """

    rows: Array
    targets: Array
    noises: Array

    @classmethod
    def of(cls, past: Sequence[Past], rows: Array, *, epochs: int, keeps_best: bool) -> Knowledge:
        """A trial that failed counts as the worst known; one that has not reported yet as the median, for certain, so
        that those which begin beside it go elsewhere."""
        scored = numpy.array([bool(one.curve) for one in past])
        running = numpy.array([one.outcome == "running" for one in past])
        curves = [one.curve for one in past if one.curve]
        finals = estimated_finals(curves, epochs=epochs, keeps_best=keeps_best)
        scores, variances = numpy.zeros(len(past)), numpy.zeros(len(past))
        scores[~scored] = numpy.where(running[~scored], numpy.median(finals.scores), finals.scores.min())
        scores[scored] = finals.scores
        variances[scored] = finals.variances
        targets = standardised(scores)
        return cls(rows, targets, noise(Finals(scores, variances), targets))
