"""One trial as a user sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gradfleet.errors import NotFoundError
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.rows import TrialState

if TYPE_CHECKING:
    from gradfleet.trials.plan import Config
    from gradfleet.trials.recipe import Predictor, Recipe


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial with the numbers of its best record.

    Attributes:
        value: the objective in the best record; None while there is none.
        epoch: of the best record; None while there is none.
        metrics: all numbers of the best record.
        checkpoint: address of the best record's checkpoint; None when it has none, or it was not kept.
        starred: whether somebody has marked it.
        note: what somebody wrote about it.
    """

    number: int
    state: TrialState
    value: float | None
    epoch: int | None
    config: Config
    metrics: Mapping[str, float]
    checkpoint: str | None
    starred: bool
    note: str | None
    artifacts: Artifacts = field(repr=False)
    recipe: Callable[[], Recipe] = field(repr=False)

    def model(self) -> Predictor:
        """The model of the best record, ready to predict.

        Raises:
            NotFoundError: that record has no checkpoint.
            ExecutionError: the study's recipe runs its author's code, and nobody said that it is trusted.
        """
        if self.checkpoint is None:
            raise NotFoundError(f"Trial {self.number} has no model: {self._why_none()}")
        return self.recipe().load(self.artifacts.fetch(self.checkpoint))

    def _why_none(self) -> str:
        if self.epoch is None:
            return "it recorded no epoch with a number for the objective."
        return (
            f"its best record, epoch {self.epoch}, came without a checkpoint, or the checkpoint was not among those "
            "kept after the sweep. Pass a larger keep= to keep more of them."
        )


@dataclass(frozen=True, slots=True)
class BestTrial(TrialView):
    """The best trial of a study; it has a record, so its value and epoch are numbers."""

    value: float
    epoch: int
