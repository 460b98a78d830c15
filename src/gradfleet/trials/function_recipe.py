"""A recipe from a user's own training function."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gradfleet.errors import ExecutionError
from gradfleet.training.history import EpochRecord
from gradfleet.trials import checkpoints
from gradfleet.trials.plan import TrialPlan, Value
from gradfleet.trials.recipe import Predictor, Report


class Tell(Protocol):
    """What a training function calls after each epoch.

    `metrics` is a dict of numbers, `epoch` counts from 1 (the next one when not given), `checkpoint` is a folder that
    is copied to the study's artifacts.

    Raises:
        TrialStopped: the trial must end now; a BaseException, so that `except Exception` lets it through.
    """

    def __call__(
        self, metrics: Mapping[str, float], epoch: int | None = None, checkpoint: str | Path | None = None
    ) -> None: ...


class TrainFunction(Protocol):
    """`train(config, report)`: trains with the flat `config` and calls `report(metrics)` after each epoch."""

    def __call__(self, config: dict[str, Value], report: Tell, /) -> None: ...


@dataclass(frozen=True, slots=True)
class FunctionRecipe:
    """Anything that trains, as a recipe: Lightning, skorch, Ignite, fastai, or a loop of one's own."""

    train: TrainFunction

    def run(self, plan: TrialPlan, report: Report) -> None:
        last = 0

        def tell(metrics: Mapping[str, float], epoch: int | None = None, checkpoint: str | Path | None = None) -> None:
            nonlocal last
            last = last + 1 if epoch is None else epoch
            address = None
            if checkpoint is not None and plan.checkpoints is not None:
                address = checkpoints.write(
                    checkpoints.epoch_address(plan.checkpoints, last),
                    lambda place: shutil.copytree(checkpoint, place, dirs_exist_ok=True),
                )
            report(EpochRecord(last, {name: float(value) for name, value in metrics.items()}), address)

        self.train(dict(plan.config), tell)

    def load(self, checkpoint: Path) -> Predictor:
        """A function's checkpoint is a folder that only its author can read.

        Raises:
            ExecutionError: always; the folder is named.
        """
        raise ExecutionError(f"This study was trained by a function: load its checkpoint yourself from {checkpoint}.")
