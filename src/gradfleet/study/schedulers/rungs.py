"""One bracket of asynchronous successive halving: the rungs, and who may climb on from each."""

from __future__ import annotations

import math

import numpy


def ladder(grace: int, reduction_factor: float, epochs: int) -> list[float]:
    """The epochs of the rungs below `epochs`: `grace`, `grace` times the factor, and so on."""
    milestones: list[float] = []
    while (milestone := grace * reduction_factor ** len(milestones)) < epochs:
        milestones.append(milestone)
    return milestones


class Rungs:
    """The scores that trials had when they reached each rung; the larger is the better.

    A trial goes on from a rung when it is in the best 1 / reduction_factor of those that came there until then, itself
    left out: the stopping form of asynchronous successive halving (Li et al., 2020, arXiv:1810.05934), with the cutoff
    that Ray Tune computes.
    """

    def __init__(self, milestones: list[float], reduction_factor: float) -> None:
        self._rungs: list[tuple[float, dict[int, float]]] = [(milestone, {}) for milestone in reversed(milestones)]
        self._percentile = 100 * (1 - 1 / reduction_factor)

    def usual_epochs(self, epochs: int) -> float:
        """What a trial of at most so many epochs has on average: the share that climbs from each rung is known."""
        total, share, below = 0.0, 1.0, 0
        for milestone, _ in reversed(self._rungs):
            rung = math.ceil(milestone)
            total += share * (rung - below)
            share, below = share * (1 - self._percentile / 100), rung
        return total + share * (epochs - below)

    def climbs(self, number: int, epoch: int, score: float) -> bool:
        """Whether the trial may go on after this epoch; the first record that reaches a rung counts there."""
        for milestone, reached in self._rungs:
            if number in reached:
                return True
            if epoch >= milestone:
                cutoff = numpy.percentile(list(reached.values()), self._percentile) if reached else score
                reached[number] = score
                return bool(score >= cutoff)
        return True
