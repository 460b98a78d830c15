"""What the service shows, as JSON: one model a thing; pages show the same."""

from __future__ import annotations

import math
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator

from gradfleet.service.tokens import Scope
from gradfleet.study.storage.rows import StudyState, TrialState
from gradfleet.study.storage.store import SAFE_NAME

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
ItemKind = Literal["images", "texts", "rows"]

SAFE_TEXT = {"maxLength": 100, "pattern": f"^{SAFE_NAME.pattern}$"}
"""What a JSON schema says of a name that can be one."""

SafeName = Annotated[str, Field(max_length=SAFE_TEXT["maxLength"], pattern=SAFE_TEXT["pattern"])]
"""Of a sweep, a model or a token."""

_BODY = ConfigDict(extra="forbid", strict=True)
"""Of what clients send: nothing that is not there is passed over, and nothing is taken for what it is not."""


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


class Goal(BaseModel):
    """All that decides which trial is better, the first objective before the others."""

    objectives: list[Objective]
    constraints: list[str] = Field(description="Such as `latency_ms <= 20`.")
    num_runs: int = Field(description="How many runs a trial has, one a fold and repeat.")


class SweepSummary(BaseModel):
    """A sweep in a list."""

    name: str
    state: StudyState
    created: float = Field(description="Unix time.")
    objective: Objective | None = Field(None, description="null while the sweep is being prepared.")
    trials: int = 0
    running: int = 0
    failed: int = 0
    best: Number = Field(None, description="The objective of the best trial so far.")
    problem: str | None = Field(None, description="Why it could not begin, or what it waits for.")


class Budget(BaseModel):
    """When a sweep ends: whichever comes first."""

    trials: int | None
    seconds: Number
    target: Number
    patience: int | None


class SweepDetail(SweepSummary):
    """A sweep by itself."""

    states: dict[TrialState, int] = {}
    budget: Budget | None = None
    started: Number = Field(None, description="Unix time of the first trial's start.")
    ended: Number = Field(None, description="Unix time of the last trial's end.")
    seed: int | None = None
    sampler: str | None = None
    scheduler: str | None = None
    epochs: int | None = Field(None, description="Of one trial at most.")
    space: dict[str, str] = Field({}, description="Each dimension in words.")
    items: ItemKind | None = Field(None, description="What its models predict; null while it is being prepared.")
    store: str
    artifacts: str | None = None


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


class ReplayedEpoch(BaseModel):
    """One epoch of a trial that is trained again."""

    epoch: int
    metrics: Metrics


class Replay(BaseModel):
    """A trial that is trained again, or was."""

    trial: int
    state: Literal["running", "done", "failed"]
    recorded: Number = Field(description="The value that the study has.")
    value: Number = Field(description="The value that came; null before the end, and where none came.")
    same: bool | None = Field(description="Whether the recorded value came out again, exactly; null without a value.")
    epoch: int | None = Field(description="Of the record that has the value.")
    records: list[ReplayedEpoch] = Field(description="Every epoch that came so far.")
    created: float = Field(description="Unix time at which it was asked for.")
    created_by: str = Field(description="By whose token.")
    ended: Number
    problem: str | None = Field(description="Why no value came.")


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
    goal: Goal
    best: int | None = Field(description="The number of the best trial.")
    dimensions: list[str] = Field(description="Every name in a configuration, of these trials or of others.")


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


class TokenSummary(BaseModel):
    """A token, without its text."""

    name: str
    scope: Scope
    state: Literal["valid", "revoked", "expired"]
    created: float
    expires: Number = Field(description="null where it never does.")


class NewToken(BaseModel):
    """A token that is to be made."""

    model_config = _BODY

    name: SafeName
    scope: Scope = "read"
    seconds: float | None = Field(None, gt=0, le=1e10, description="From now until it expires; never when not given.")


class MadeToken(TokenSummary):
    """A token that was just made."""

    token: str = Field(description="Its text, which is shown this once and kept nowhere.")


class Request(BaseModel):
    """Something that the driver of a sweep was asked to do."""

    id: int | None = Field(description="null where no driver had to be asked.")
    verb: str
    outcome: str | None = Field(description="What was done; null while no driver has answered.")


class Marks(BaseModel):
    """What people say of a trial; what is left out stays as it is."""

    model_config = _BODY

    starred: bool | None = None
    note: str | None = Field(None, max_length=10_000, description="Written over the one before; empty takes it away.")


class Prediction(BaseModel):
    """What a model says of one item."""

    prediction: Any = Field(description="A label, a list of labels, a number or a text, as in the training data.")
    probabilities: dict[str, Number] | None = Field(None, description="By class, where they were asked for.")
    score: Number = Field(None, description="The mean of labels that have scores, such as -1 to 1 of a sentiment.")


class Predictions(BaseModel):
    """What a model says of items, in their order."""

    model: str = Field(description="Its name, or SWEEP/TRIAL.")
    predictions: list[Prediction]


def _kind_of_item(value: Any) -> str | None:
    return next((name for name, kind in _ITEM_TYPES.items() if isinstance(value, kind)), None)


_ITEM_TYPES: dict[str, type[Any]] = {"text": str, "object": dict, "list": list}

Item = Annotated[
    Annotated[str, Tag("text")] | Annotated[dict[str, Any], Tag("object")] | Annotated[list[Any], Tag("list")],
    Discriminator(  # else each of the three says by itself that it is not this one
        _kind_of_item,
        custom_error_type="item",
        custom_error_message=(
            "an item is a text, an image as base64, or a row as an object from column to value or a list of numbers"
        ),
    ),
]


class Items(BaseModel):
    """Raw items of the kind that the model learned from."""

    model_config = _BODY

    items: list[Item] = Field(
        min_length=1, description="Texts, images as base64, or rows as objects from column to value."
    )


class Promotion(BaseModel):
    """A trial that gets a name."""

    model_config = _BODY

    name: SafeName
    sweep: SafeName
    trial: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(None, description="The best one when not given.")

    @field_validator("trial", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """To JSON Schema 3.0 is an integer, as it is to clients that know one kind of number."""
        return int(value) if isinstance(value, float) and value.is_integer() else value


class Model(BaseModel):
    """A model with a name."""

    name: str
    sweep: str
    trial: int
    created: float
    created_by: str
    config: dict[str, Any] | None
    metrics: Metrics | None
    score: dict[str, Any] | None = Field(description="What it gave in a new process, and what was recorded.")


class Dataset(BaseModel):
    """Something that a spec may name as `data`."""

    name: str
    bytes: int | None = Field(description="null for a folder.")
    is_folder: bool


class Action(BaseModel):
    """Something that was done, or refused."""

    time: float
    token: str | None
    address: str
    method: str
    path: str
    status: int
