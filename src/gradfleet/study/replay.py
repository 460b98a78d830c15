"""Any trial again, from what its study keeps: recipe, data, configuration and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.errors import ExecutionError, NotFoundError, TrialStopped
from gradfleet.goal import Aim
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.storage.rows import StudyRow, TrialRow
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
    """Keeps a replay's records, the best of them and the last with their checkpoints, and stops after `epochs`."""

    objective: Aim
    artifacts: Artifacts
    epochs: int
    say: Callable[[EpochRecord], object]
    history: History
    best: EpochRecord | None = None
    checkpoint: str | None = None
    last: str | None = None

    def __call__(self, record: EpochRecord, checkpoint: str | None = None) -> None:
        self.history.append(record)
        self.say(record)
        before = {self.checkpoint, self.last}
        self.last = checkpoint
        if self.best is None or self.objective.rank(record.metrics) < self.objective.rank(self.best.metrics):
            self.best, self.checkpoint = record, checkpoint
        for gone in before - {self.checkpoint, self.last, None}:
            self.artifacts.delete(str(gone))
        if record.epoch >= self.epochs:
            raise TrialStopped


def replay_folder(artifacts: Artifacts, study: str, number: int) -> str:
    """Where the checkpoints of a trial's last replay lie."""
    return f"{artifacts.study(study)}/replay-{number:04d}"


def replay(
    study: StudyRow,
    trials: Callable[[int], TrialRow],
    number: int,
    recipe: Recipe,
    *,
    say: Callable[[EpochRecord], object],
    shared: Mapping[str, Any],
) -> Replay:
    """Train one trial again, in this process, for as many epochs as it had.

    A copy of population training goes on from its parent's weights, so its parent is trained again first, as far as it
    was when the copy was made; and so on to the trial that started anew.

    Args:
        trials: gives a trial of the study by its number.
        say: takes each record of the trial as it comes.
        shared: what the returned object has in common with every other view of this trial.

    Raises:
        NotFoundError: there is no such trial, or it recorded nothing that could come out again.
        ExecutionError: its data is gone, or it raises where it did not before.
    """
    trial = trials(number)
    if trial.value is None:
        raise NotFoundError(f"Trial {trial.number} has no value that could come out again: {trial.state}.")
    # These import torch, which no leaderboard needs.
    from gradfleet.training.state.seeding import untouched_generators
    from gradfleet.trials.own_epochs import OWN_EPOCHS

    artifacts = Artifacts(study.artifacts)
    place = replay_folder(artifacts, study.name, trial.number)
    artifacts.delete(place)
    with untouched_generators():
        kept = _Again(study, trials, recipe, artifacts).train(
            trial, place, epochs=trial.epochs, say=say, own=shared["metrics"].get(OWN_EPOCHS)
        )
    assert kept.best is not None, "one without a record is an error"
    metrics = kept.best.metrics
    feasible = not study.objective.violation(metrics)
    return Replay(
        **{**shared, "metrics": metrics, "feasible": feasible, "checkpoint": kept.checkpoint},
        value=study.objective.value(metrics),
        epoch=kept.best.epoch,
        recorded=trial.value,
        history=kept.history,
    )


@dataclass(frozen=True, slots=True)
class _Again:
    """Trains trials of one study again."""

    study: StudyRow
    trials: Callable[[int], TrialRow]
    recipe: Recipe
    artifacts: Artifacts

    def train(
        self,
        trial: TrialRow,
        place: str,
        *,
        epochs: int,
        say: Callable[[EpochRecord], object],
        own: float | None = None,
    ) -> _Keeping:
        """The trial until the end of epoch `epochs`, its checkpoints under `place`.

        Args:
            own: how many epochs its network trained for, where it chose that by the time there was.

        Raises:
            ExecutionError: it raises, or reports nothing.
        """
        from gradfleet.trials.repeated import repeated
        from gradfleet.trials.run import run_trial

        chosen = None if own is None else int(own)
        plan = replace(_plan(self.study, trial, place), milestones=(epochs,), own_epochs=chosen)
        ancestors = f"{place}/from"
        if (origin := trial.came_from) is not None:
            parent = self.train(self.trials(origin.parent), ancestors, epochs=origin.epoch, say=lambda _: None)
            start = parent.last
            plan = replace(plan, resume=start, inherits=start is not None, recorded=origin.epoch)
        kept = _Keeping(self.study.objective, self.artifacts, epochs, say, History())
        error = run_trial(repeated(self.recipe, self.study.spec), plan, kept)
        self.artifacts.delete(ancestors)
        if error is not None or kept.best is None:
            why = error or "it reported no record."
            raise ExecutionError(f"Trial {trial.number} could not be trained again:\n{why}")
        return kept


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
