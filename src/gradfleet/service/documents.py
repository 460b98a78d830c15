"""What the service shows, as JSON: one model a thing; pages show the same."""

from __future__ import annotations

import math
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

from gradfleet.study.storage.rows import StudyState, TrialState

T = TypeVar("T")


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(value: Any) -> Any:
    """JSON values of what a study or a frame holds; numpy's numbers become Python's, and no number becomes null."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return plain(value.tolist()) if hasattr(value, "tolist") else _finite(value)


Number = Annotated[float | None, BeforeValidator(_finite)]
Metrics = dict[str, Number]


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: int = Field(description="How many there are in all.")
    offset: int = Field(description="How many come before the first of these.")
    next: int | None = Field(description="The offset of the next page; null on the last.")


class Objective(BaseModel):
    """What decides which trial is better."""

    metric: str
    mode: str


class SweepSummary(BaseModel):
    """A sweep in a list."""

    name: str
    state: StudyState
    created: float = Field(description="Unix time.")
    objective: Objective | None = Field(description="null while the sweep is being prepared.")
    trials: int
    running: int
    failed: int
    best: Number = Field(description="The objective of the best trial so far.")
    problem: str | None = Field(description="Why it could not begin, or waits.")


class Budget(BaseModel):
    """When a sweep ends: whichever comes first."""

    trials: int | None
    seconds: Number
    target: Number
    patience: int | None


class SweepDetail(SweepSummary):
    """A sweep by itself."""

    states: dict[TrialState, int]
    budget: Budget | None
    started: Number = Field(description="Unix time of the first trial's start.")
    ended: Number = Field(description="Unix time of the last trial's end.")
    seed: int | None
    sampler: str | None
    scheduler: str | None
    epochs: int | None = Field(description="Of one trial at most.")
    space: dict[str, str] = Field(description="Each dimension in words.")
    store: str
    artifacts: str | None


class TrialSummary(BaseModel):
    """A trial in a list."""

    trial: int
    state: TrialState
    value: Number = Field(description="The objective in the best record.")
    best_epoch: int | None
    epochs: int
    seconds: Number
    reason: str | None
    starred: bool
    note: str | None
    config: dict[str, Any]


class TrialDetail(TrialSummary):
    """A trial by itself."""

    metrics: Metrics = Field(description="Of the best record.")
    feasible: bool = Field(description="Whether that record keeps every constraint.")
    checkpoint: str | None
    traceback: str | None
    attempts: int
    seed: int
    started: float
    ended: Number
    parent: int | None = Field(description="The trial whose weights it went on from.")


class Record(BaseModel):
    """One epoch of a trial."""

    trial: int
    epoch: int
    metrics: Metrics
    time: float


class LeaderboardRow(TrialSummary):
    """A trial among the others."""

    mark: str = Field(description="What is special about it: a star, best, front, default.")
    metrics: Metrics
    checkpoint: str | None


class Leaderboard(Page[LeaderboardRow]):
    """The trials of a sweep, best first."""

    sweep: str
    state: StudyState
    objective: Objective
    best: int | None = Field(description="The number of the best trial.")


class Best(TrialDetail):
    """The best trial of a sweep."""

    sweep: str


class Task(BaseModel):
    """A kind of problem that sweeps are made for by name."""

    name: str
    summary: str


class Health(BaseModel):
    """That the service answers."""

    status: str
    version: str


class Readiness(BaseModel):
    """Whether what the service stands on is there."""

    ready: bool
    store: str
    cluster: str


class Whoami(BaseModel):
    """The token that a request came with."""

    name: str
    scope: str
    expires: Number
