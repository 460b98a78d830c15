"""Epochs of a network that chooses their number by the time there is, in the search's count of them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Self

from gradfleet.data.examples import ArrayExamples
from gradfleet.training.data_network import DataNetwork
from gradfleet.training.state.checkpoint import read_extra
from gradfleet.trials import checkpoints
from gradfleet.trials.plan import TrialPlan

OWN_EPOCHS = "own_epochs"
"""The metric of a record that says how many epochs its network trained for, where that is not what the search says."""


@dataclass(frozen=True, slots=True)
class OwnEpochs:
    """So many epochs of its own in place of those that the search asks for.

    Attributes:
        number: that are trained, at most as many as are asked for; schedules end with the last of them.
        asked: by the search, whose schedulers and records count in these.

    Example:
        >>> [OwnEpochs(4, 15).place(epoch) for epoch in (1, 2, 3, 4)]
        [4, 8, 12, 15]
    """

    number: int
    asked: int

    @classmethod
    def of(cls, network: DataNetwork, train: ArrayExamples, plan: TrialPlan) -> Self:
        """As the network chooses; a trial that goes on, or is trained again, keeps what it chose before."""
        if network.fitted_at_once:
            return cls(plan.epochs, plan.epochs)
        known = plan.own_epochs
        if known is None and plan.resume is not None:
            known = read_extra(checkpoints.fetch(plan.resume)).get(OWN_EPOCHS)
        if known is None:
            left = None if plan.deadline is None else max(0.0, plan.deadline - time.time())
            known = network.epochs(train, plan.epochs, left)
        return cls(min(int(known), plan.epochs), plan.epochs)

    @property
    def said(self) -> dict[str, float]:
        """What a record says of it."""
        return {} if self.number == self.asked else {OWN_EPOCHS: float(self.number)}

    def place(self, epoch: int) -> int:
        """Of the search's epochs, the one that this epoch of its own ends with."""
        return math.ceil(epoch * self.asked / self.number)
