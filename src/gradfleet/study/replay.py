"""Any trial again, from what its study keeps: recipe, data, configuration and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.errors import ExecutionError, NotFoundError, TrialStopped
from gradfleet.goal import Aim
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.rows import StudyRow, TrialRow
from gradfleet.study.view import BestTrial
from gradfleet.training.history import EpochRecord, History

if TYPE_CHECKING:
    from gradfleet.trials.plan import TrialPlan
    from gradfleet.trials.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Replay(BestTrial):
    """A trial that was trained again; value, epoch, metrics and model are those of the replay.

    Attributes:
        recorded: the value that the study has.
        history: the replay's records, as many as the trial had.
    """

    recorded: float
    history: History

    @property
    def same(self) -> bool:
        """Whether the recorded value came out again, exactly."""
        return self.value == self.recorded


@dataclass(slots=True)
class _Keeping:
    """Keeps a replay's records, the best of them with its checkpoint, and stops where the trial stopped."""

    objective: Aim
    artifacts: Artifacts
    epochs: int
    say: Callable[[EpochRecord], object]
    history: History
    best: EpochRecord | None = None
    checkpoint: str | None = None

    def __call__(self, record: EpochRecord, checkpoint: str | None = None) -> None:
        self.history.append(record)
        self.say(record)
        is_best = self.best is None or self.objective.rank(record.metrics) < self.objective.rank(self.best.metrics)
        gone = checkpoint
        if is_best:
            gone, self.best, self.checkpoint = self.checkpoint, record, checkpoint
        if gone is not None:
            self.artifacts.delete(gone)
        if record.epoch >= self.epochs:
            raise TrialStopped


def replay(
    study: StudyRow, trial: TrialRow, recipe: Recipe, *, say: Callable[[EpochRecord], object], shared: Mapping[str, Any]
) -> Replay:
    """Train one trial again, in this process, for as many epochs as it had.

    Args:
        say: takes each record as it comes.
        shared: what the returned object has in common with every other view of this trial.

    Raises:
        NotFoundError: the trial recorded nothing that could come out again.
        ExecutionError: its data is gone, or it raises where it did not before.
    """
    if trial.value is None:
        raise NotFoundError(f"Trial {trial.number} has no value that could come out again: {trial.state}.")
    from gradfleet.training.state.seeding import (
        untouched_generators,  # imports torch, which a leaderboard can do without
    )
    from gradfleet.trials.repeated import repeated
    from gradfleet.trials.run import run_trial

    artifacts = Artifacts(study.artifacts)
    place = f"{artifacts.study(study.name)}/replay-{trial.number:04d}"
    artifacts.delete(place)
    keeping = _Keeping(study.objective, artifacts, trial.epochs, say, History())
    with untouched_generators():
        error = run_trial(repeated(recipe, study.spec), _plan(study, trial, place), keeping)
    if error is not None or keeping.best is None:
        raise ExecutionError(f"Trial {trial.number} could not be trained again:\n{error or 'it reported no record.'}")
    metrics = keeping.best.metrics
    feasible = not study.objective.violation(metrics)
    return Replay(
        **{**shared, "metrics": metrics, "feasible": feasible, "checkpoint": keeping.checkpoint},
        value=study.objective.value(metrics),
        epoch=keeping.best.epoch,
        recorded=trial.value,
        history=keeping.history,
    )


def _plan(study: StudyRow, trial: TrialRow, place: str) -> TrialPlan:
    from gradfleet.data.prepared import DataRef, read_prepared
    from gradfleet.trials.plan import TrialPlan
    from gradfleet.trials.resources import Resources

    where = study.spec.get("data")
    return TrialPlan(
        number=trial.number,
        config=trial.config,
        objective=study.objective,
        data=None if where is None else DataRef(read_prepared(Path(where)).fingerprint, where),
        seed=trial.seed,
        epochs=study.spec["search"]["epochs"] * study.objective.num_runs,
        threads=Resources(**study.spec["search"]["resources"]).threads,
        checkpoints=place,
        study=study.name,
    )
