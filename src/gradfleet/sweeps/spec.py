"""SweepSpec: everything that a sweep file may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from gradfleet.search.narrowing import Narrowing

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
MOST = 1_000_000
"""Of whatever is counted; more is a slip of the pen."""

Scalar = bool | int | float | str | None


class ObjectiveSpec(BaseModel):
    """The metric that decides."""

    model_config = _STRICT

    metric: str = Field(description="A metric of the records, such as val_accuracy or val_loss.")
    mode: Literal["max", "min"] = Field(description="Whether more or less of it is better.")


class SearchSpec(BaseModel):
    """How the space is searched and when that ends; each limit counts, whichever comes first."""

    model_config = _STRICT

    trials: int | None = Field(
        None, ge=1, le=MOST, description="How many trials in all; trial 0 is the default configuration."
    )
    budget: str | float | None = Field(None, description="Wall time, such as 90s, 10m or 1h30m, or seconds.")
    target: float | None = Field(None, description="Stop when the objective is this good.")
    patience: int | None = Field(None, ge=1, le=MOST, description="Stop after so many trials without a better one.")
    epochs: int | None = Field(None, ge=1, le=MOST, description="Of one trial at most.")
    sampler: str | None = Field(None, description="How configurations are chosen.")
    scheduler: str | None = Field(None, description="Whether trials that are behind others end early.")
    seed: int = Field(0, description="Of the split, the search and every trial.")
    keep: int | None = Field(None, ge=1, le=MOST, description="How many of the best trials keep their checkpoint.")
    repeats: int | None = Field(None, ge=1, le=MOST, description="Train each configuration so often; the mean decides.")
    folds: int | None = Field(
        None, ge=2, le=MOST, description="Train each on so many folds of the data; the mean decides."
    )
    warm_start: bool | None = Field(None, description="Begin with what earlier studies of the store have found.")


class ResourcesSpec(BaseModel):
    """What one trial takes."""

    model_config = _STRICT

    cpu: float = Field(1.0, ge=0, description="CPU cores.")
    gpu: float | None = Field(None, ge=0, description="GPUs; a fraction shares one. One where there is any, if unset.")
    workers: int = Field(
        1, ge=1, le=MOST, description="Processes that train one trial together, with cpu and gpu each."
    )


class RangeSpec(BaseModel):
    """A smaller range of a dimension: some of its values, or numbers from `low` to `high`."""

    model_config = _STRICT

    choices: list[Scalar] | None = Field(None, min_length=1, description="Only these values.")
    low: float | None = Field(None, description="The smallest value; that of the recipe when not given.")
    high: float | None = Field(None, description="The largest value; that of the recipe when not given.")
    log: bool | None = Field(None, description="Draw evenly in the logarithm; as in the recipe when not given.")
    step: float | None = Field(None, gt=0, description="Only low, low + step, low + 2 steps ...")
    default: Scalar = Field(None, description="Where the search starts.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        numbers = self.model_fields_set & {"low", "high", "log", "step"}
        if self.choices is not None and numbers:
            raise ValueError(f"either choices or {', '.join(sorted(numbers))}, not both")
        if self.choices is None and not numbers and "default" not in self.model_fields_set:
            raise ValueError("needs choices, or low and high")
        return self

    def settings(self) -> dict[str, Any]:
        """What was said, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _kind_of_dimension(value: object) -> str:
    if isinstance(value, list):
        return "choices"
    return "range" if isinstance(value, dict | RangeSpec) else "value"


DimensionSpec = Annotated[
    Annotated[RangeSpec, Tag("range")] | Annotated[list[Scalar], Tag("choices")] | Annotated[Scalar, Tag("value")],
    Discriminator(_kind_of_dimension),
]
"""A smaller range, a list of choices, or the one value that the dimension is fixed at."""


class SweepSpec(BaseModel):
    """A sweep as a file: the same thing as a call of `fit` in Python."""

    model_config = _STRICT

    version: Literal[1] = Field(description="Of this format.")
    name: str | None = Field(None, description="Of the study; one is made and printed when not given.")
    task: str | None = Field(None, description="One of `gradfleet tasks`. Either this or a recipe.")
    recipe: str | None = Field(
        None,
        pattern=r"^[\w.]+:[\w.]+$",
        description="package.module:function, a function without arguments that returns an AutoModel.",
    )
    data: str | None = Field(None, description="A path or URL; relative to the working folder.")
    options: dict[str, Any] = Field(default_factory=dict, description="Of the task, such as on_bad_rows: skip.")
    objective: ObjectiveSpec | list[ObjectiveSpec] | None = Field(
        None, description="One, or several for a Pareto front; the recipe's own when not given."
    )
    constraints: list[str] = Field(default_factory=list, description="Such as latency_ms <= 20.")
    search: SearchSpec = SearchSpec()
    space: dict[str, DimensionSpec] = Field(
        default_factory=dict, description="Narrows or fixes dimensions of the recipe, by name."
    )
    resources: ResourcesSpec = ResourcesSpec()
    store: str | None = Field(None, description="A SQLite file or a database URL; gradfleet.db when not given.")
    artifacts: str | None = Field(None, description="Where checkpoints go; beside a SQLite store when not given.")
    cluster: str | None = Field(
        None, description="auto: the Ray cluster of this machine. inline: without Ray. http://head:8265: a remote one."
    )

    @model_validator(mode="after")
    def _task_or_recipe(self) -> Self:
        if (self.task is None) == (self.recipe is None):
            raise ValueError("needs either a task or a recipe")
        if self.task is not None and self.data is None:
            raise ValueError(f"the task {self.task!r} needs data: a path or URL")
        if self.recipe is not None and self.options:
            raise ValueError("options are for a task; a recipe is a function without arguments")
        return self

    @property
    def objectives(self) -> list[ObjectiveSpec]:
        """Those that were said; empty leaves the recipe's own."""
        if self.objective is None:
            return []
        return self.objective if isinstance(self.objective, list) else [self.objective]

    def narrowing(self) -> Mapping[str, Narrowing]:
        """What `space` says of each dimension: a value that fixes it, or settings of a smaller range."""
        return {name: _narrowing(one) for name, one in self.space.items()}


def _narrowing(said: RangeSpec | list[Scalar] | Scalar) -> Narrowing:
    if isinstance(said, list):
        return {"choices": said}
    return said.settings() if isinstance(said, RangeSpec) else said
