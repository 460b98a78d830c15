"""Ensemble: several of a study's models, whose mean is at least as good on validation as the best one alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gradfleet.errors import NotFoundError, SettingError
from gradfleet.goal import Aim
from gradfleet.objective import Objective
from gradfleet.study.greedy import greedy_selection
from gradfleet.study.view import BestTrial, trained

if TYPE_CHECKING:
    from gradfleet.export.formats import Exported
    from gradfleet.training.model import Model
    from gradfleet.trials.averaged import AveragedPredictor
    from gradfleet.trials.held_out import HeldOut

SIZE = 25
"""Additions of the greedy selection, models that are added again included."""


@dataclass(frozen=True)
class Ensemble:
    """The mean of some of a study's models; it predicts, evaluates and exports like one of them.

    Attributes:
        weights: how much each trial counts, by its number, the best single one first; they sum to 1.
        metric: the objective's, by its plain name.
        value: of the ensemble on the validation rows.
        best_value: of the best single trial, measured on the same rows in the same way.
        num_rows: of the validation rows.
        candidates: the trials that there were to choose from.
    """

    study: str
    weights: Mapping[int, float]
    metric: str
    value: float
    best_value: float
    num_rows: int
    candidates: tuple[int, ...]
    _trials: Sequence[BestTrial] = field(repr=False)

    def __str__(self) -> str:
        parts = " + ".join(f"{weight:.2f} x trial {number}" for number, weight in self.weights.items())
        best = next(iter(self.weights))
        return (
            f"{parts}: {self.metric} {self.value:.4f} on {self.num_rows:,} validation rows; "
            f"trial {best}, the best single one, has {self.best_value:.4f}."
        )

    def to_json(self) -> dict[str, Any]:
        weights = [{"trial": number, "weight": weight} for number, weight in self.weights.items()]
        return {
            "study": self.study,
            "metric": self.metric,
            "value": self.value,
            "best_single": self.best_value,
            "num_rows": self.num_rows,
            "weights": weights,
            "candidates": list(self.candidates),
        }

    @cached_property
    def model(self) -> AveragedPredictor:
        """The averaged models: `predict`, `predict_proba` and `evaluate` are those of any model."""
        from gradfleet.trials.averaged import AveragedPredictor

        return AveragedPredictor([trial.model() for trial in self._trials], list(self.weights.values()))

    def predict(self, items: Any) -> Sequence[Any]:
        """One prediction an item, as labels of the data."""
        return self.model.predict(items)

    def export(self, path: str | os.PathLike[str], *, format: str = "bundle", check: bool = True) -> Exported:
        """Write all its models as one: `Bundle.load(path)` predicts with their mean; see `BestTrial.export`.

        Raises:
            SettingError: there is no such format, or something is at `path` already.
            ExportError: the models cannot be written so, or their mean does not give its score in a new process.
        """
        from gradfleet.export.formats import export

        told = {**self.to_json(), "configs": [dict(trial.config) for trial in self._trials]}
        members = list(zip(self._trials, self.weights.values(), strict=True))
        return export(trained(members, {f"val_{self.metric}": self.value}, told), path, format=format, check=check)


def ensemble(trials: Sequence[BestTrial], objective: Aim, *, study: str, size: int = SIZE) -> Ensemble:
    """Choose among trials, the best of them first.

    Raises:
        SettingError: the objective is not measured on validation rows, or `size` is no count.
        NotFoundError: no trial has a model that was kept, or what it says of the validation rows cannot be had.
    """
    if size < 1:
        raise SettingError(f"size is at least 1, got {size}.")
    if not objective.metric.startswith("val_"):
        raise SettingError(
            f"An ensemble is chosen by what models say of validation rows, which {objective.metric!r} is not about."
        )
    kept = [trial for trial in trials if trial.checkpoint is not None]
    if not kept:
        raise NotFoundError(f"No trial of study {study!r} has a model that was kept: pass keep= to fit to keep some.")
    first, *others = [_Candidate.of(trial) for trial in kept]
    found = [first, *(one for one in others if one.is_about(first))]
    measured, first_objective = _Measured(found), objective.objectives[0]
    chosen = greedy_selection(len(found), lambda bag: measured.score(bag, first_objective), size=size)
    counts = Counter(chosen)
    best = chosen[0]
    return Ensemble(
        study,
        {found[one].trial.number: times / len(chosen) for one, times in counts.items()},
        objective.metric.removeprefix("val_"),
        first_objective.value(measured(chosen)),
        first_objective.value(measured([best])),
        len(first.held_out.targets),
        tuple(one.trial.number for one in found),
        [found[one].trial for one in counts],
    )


@dataclass(frozen=True)
class _Candidate:
    """A trial, and what its model says of the validation rows."""

    trial: BestTrial
    held_out: HeldOut
    model: Model

    @classmethod
    def of(cls, trial: BestTrial) -> _Candidate:
        from gradfleet.trials.averaged import one_network
        from gradfleet.trials.held_out import HeldOut

        predictor = one_network(trial.model())
        stored = HeldOut.read(trial.files())
        asked = HeldOut.of(predictor, trial.validation()) if stored is None else stored
        return cls(trial, asked, predictor.model)

    def is_about(self, other: _Candidate) -> bool:
        """Whether both were validated on the same rows, which those of different folds are not."""
        import torch

        return torch.equal(self.held_out.targets, other.held_out.targets)


class _Measured:
    """The numbers of the mean of some candidates, computed as a fit computes them."""

    def __init__(self, candidates: Sequence[_Candidate]) -> None:
        self._candidates = candidates

    def score(self, bag: Sequence[int], objective: Objective) -> tuple[float, ...]:
        """As an objective ranks records: equal ones are told apart by their loss."""
        return tuple(-part for part in objective.rank(self(bag)))

    def __call__(self, bag: Sequence[int]) -> dict[str, float]:
        from gradfleet.trials.averaged import mean_outputs, measured

        counts = Counter(bag)
        chosen = [self._candidates[one] for one in counts]
        first = chosen[0]
        outputs = mean_outputs(
            [one.held_out.outputs for one in chosen],
            [times / len(bag) for times in counts.values()],
            first.model.problem.kind,
            [one.model.problem.outputs_are_probabilities for one in chosen],
        )
        numbers = measured(first.model, outputs, first.held_out.targets).numbers()
        return {f"val_{name}": value for name, value in numbers.items()}
