"""One trial as a user sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.errors import NotFoundError
from gradfleet.objective import Objective
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.provenance import package_versions
from gradfleet.study.rows import TrialState

if TYPE_CHECKING:
    from gradfleet.export.formats import Exported
    from gradfleet.trials.plan import Config
    from gradfleet.trials.recipe import Predictor, Recipe


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial with the numbers of its best record.

    Attributes:
        value: the objective in the best record; None while there is none.
        epoch: of the best record; None while there is none.
        metrics: all numbers of the best record.
        feasible: whether that record keeps every constraint of the study.
        checkpoint: address of the best record's checkpoint; None when it has none, or it was not kept.
        starred: whether somebody has marked it.
        note: what somebody wrote about it.
        study, spec: the study's name and what it was made from.
    """

    number: int
    state: TrialState
    value: float | None
    epoch: int | None
    config: Config
    metrics: Mapping[str, float]
    feasible: bool
    checkpoint: str | None
    starred: bool
    note: str | None
    artifacts: Artifacts = field(repr=False)
    recipe: Callable[[], Recipe] = field(repr=False)
    study: str = field(repr=False)
    spec: Mapping[str, Any] = field(repr=False)

    def model(self) -> Predictor:
        """The model of the best record, ready to predict.

        Raises:
            NotFoundError: that record has no checkpoint.
            ExecutionError: the study's recipe runs its author's code, and nobody said that it is trusted.
        """
        return self.recipe().load(self._files())

    def export(
        self, path: str | os.PathLike[str], *, format: str = "bundle", check: bool = True, max_loss: float = 0.01
    ) -> Exported:
        """Write the model to a folder, for use without this study; every argument is that of `export.formats.export`.

        Raises:
            SettingError: there is no such format, or something is at `path` already.
            ExportError: the model cannot be written so, or does not give its recorded score in a new process.
            NotFoundError: as `model`.
        """
        from gradfleet.export.formats import export  # imports torch, which a leaderboard can do without
        from gradfleet.export.trained import Trained

        data = self.spec["data"]
        trained = Trained(
            self._files(),
            self.recipe(),
            self.spec["recipe"],
            Objective(**self.spec["objective"]),
            self.metrics,
            None if data is None else Path(data),
            {"study": self.study, "trial": self.number, "epoch": self.epoch, "config": dict(self.config)}
            | {"metrics": dict(self.metrics), "versions": package_versions()},
        )
        return export(trained, path, format=format, check=check, max_loss=max_loss)

    def _files(self) -> Path:
        if self.checkpoint is None:
            raise NotFoundError(f"Trial {self.number} has no model: {self._why_none()}")
        return self.artifacts.fetch(self.checkpoint)

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
