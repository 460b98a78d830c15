"""What is read from a store: one frozen value a row. All times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gradfleet.goal import Aim, aim_from_json
from gradfleet.study.origin import Origin
from gradfleet.training.history import EpochRecord

if TYPE_CHECKING:
    from gradfleet.trials.plan import Config

TrialState = Literal["RUNNING", "COMPLETE", "PRUNED", "FAIL"]
StudyState = Literal["queued", "running", "paused", "completed", "failed", "stopped"]

ENDED: tuple[StudyState, ...] = ("completed", "failed", "stopped")
"""The states in which no sweep runs any more."""


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study.

    Attributes:
        spec: the JSON it was made from: objective, space, search settings, recipe reference, facts of the data.
        fingerprint: of the data; None for a function that brings its own.
        versions: package to version, at creation.
        git_commit: of the working folder at creation; None outside of a repository.
        git_dirty: whether files there were changed after that commit; None when nobody knows.
        artifacts: URL of the folder that holds the checkpoints of all studies of the store.
        revision: grows with every change of its trials, records and marks.
        problem: why it has failed; None unless it has.
    """

    id: int
    name: str
    spec: dict[str, Any]
    fingerprint: str | None
    seed: int
    state: StudyState
    created: float
    versions: dict[str, str]
    git_commit: str | None
    artifacts: str
    git_dirty: bool | None = None
    revision: int = 0
    problem: str | None = None

    @property
    def objective(self) -> Aim:
        return aim_from_json(self.spec["objective"])


@dataclass(frozen=True, slots=True)
class GenerationRow:
    """One Optuna study of a gradfleet study, with the space that it searches."""

    number: int
    optuna_name: str
    space: dict[str, Any]
    created: float


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial.

    Attributes:
        stopping: PRUNED where it was told to stop, noted before it ended; FAIL where the sweep ended before its first
            record; None while neither has happened.
        attempts: how often it was started, the first time included.
        epochs: the last epoch that was recorded; 0 before the first.
        value: the objective in the best record; None while no record has a number there.
        best_epoch: the epoch of the best record.
        checkpoint: the address of the best record's checkpoint; None when that record has none.
        starred: whether somebody has marked it.
        note: what somebody wrote about it.
        revision: of the study when the trial changed last.
    """

    number: int
    generation: int
    optuna_number: int
    config: Config
    seed: int
    state: TrialState
    stopping: TrialState | None
    reason: str | None
    traceback: str | None
    attempts: int
    started: float
    ended: float | None
    epochs: int
    value: float | None
    best_epoch: int | None
    checkpoint: str | None
    starred: bool = False
    note: str | None = None
    origin: dict[str, int] | None = None
    revision: int = 0

    @property
    def came_from(self) -> Origin | None:
        """The trial whose weights it went on from; None where it started anew."""
        return None if self.origin is None else Origin(**self.origin)


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One epoch of one trial."""

    number: int
    epoch: int
    metrics: Mapping[str, float]
    checkpoint: str | None
    time: float

    @property
    def record(self) -> EpochRecord:
        return EpochRecord(self.epoch, self.metrics)


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed in a study, read at one moment.

    Attributes:
        revision: of the study at that moment.
        trials: those that have changed, by number.
        records: the best record of each of them that has one, by trial number.
    """

    revision: int
    trials: list[TrialRow]
    records: dict[int, RecordRow]


@dataclass(frozen=True, slots=True)
class RequestRow:
    """Something that a driver is asked to do; `answered` and `outcome` are None until it has."""

    id: int
    verb: str
    arguments: dict[str, Any]
    created: float
    answered: float | None
    outcome: str | None
