"""What crosses to a worker: the settings of one trial, never its data or its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradfleet.data.prepared import DataRef
from gradfleet.goal import Aim
from gradfleet.training.history import EpochRecord

Value = str | int | float | bool | None
Config = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """One trial, ready to be run anywhere.

    Attributes:
        study: the study's name; trackers group their runs by it.
        number: the study's own trial number, from 0.
        config: the flat choices, such as `{"architecture": "cnn", "architecture.cnn.channels": 32}`.
        objective: what decides which checkpoint is the trial's best.
        data: where the prepared data lies; None for a function that brings its own.
        seed: of everything random in this trial.
        epochs: how many in total, those of an earlier attempt included.
        deadline: Unix time in seconds after which the trial ends within one batch; None for no limit.
        threads: how many CPU threads torch may use.
        checkpoints: URL of the folder that this trial writes its checkpoints to; None writes none.
        resume: address of the checkpoint to go on from; None starts anew.
        inherits: whether that is another trial's: its weights and what its optimizers have gathered are gone on from,
            with this configuration's values.
        milestones: epochs that get a checkpoint in any case.
        best: the best rank (`Objective.rank`) that earlier attempts of this trial recorded.
        micro_batch: rows that go through the network at once, as trials before found out that ran out of memory; None
            for whole batches.
        recorded: the last epoch that they recorded; what is reported of it and of those before it is not kept again.
        history: all that they recorded, where a trial has several runs; else empty.
        own_epochs: how many the network trained for where it chose that itself, to be trained again; else None.
        keep_predictions: whether what the model says of the validation rows is kept beside its checkpoint.
        log: address of the file for what the trial prints; None keeps none of it.
        attempted: whether an attempt of it has begun before.
        run: which run of the trial this is, from 0; None where it has one.
    """

    number: int
    config: Config
    objective: Aim
    data: DataRef | None = None
    seed: int = 0
    epochs: int = 1
    deadline: float | None = None
    threads: int = 1
    checkpoints: str | None = None
    resume: str | None = None
    best: tuple[float, ...] | None = None
    recorded: int = 0
    study: str = "study"
    micro_batch: int | None = None
    history: tuple[EpochRecord, ...] = ()
    run: int | None = None
    inherits: bool = False
    milestones: tuple[int, ...] = ()
    own_epochs: int | None = None
    keep_predictions: bool = True
    log: str | None = None
    attempted: bool = False
