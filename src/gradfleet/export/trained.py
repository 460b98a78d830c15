"""What is exported: one trial's model, with what the search recorded of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gradfleet.data.prepared import PreparedData, read_prepared
from gradfleet.errors import ExecutionError, ExportError
from gradfleet.objective import Objective
from gradfleet.trials.averaged import AveragedPredictor
from gradfleet.trials.predictor import ModelPredictor
from gradfleet.trials.recipe import Predictor, Recipe


@dataclass(frozen=True)
class Trained:
    """A trial's model, or the mean of several, on its way out.

    Attributes:
        checkpoints: a local folder with the files of each, and how much it counts.
        recipe: what reads them.
        reference: the recipe as the study's spec refers to it.
        objective: what the search optimized.
        metrics: all that was recorded of the epoch that the checkpoint holds, or measured of the mean.
        data: the folder of the prepared data that it was measured on; None for a function that brought its own.
        about: JSON on where it comes from, kept in the export.
    """

    checkpoints: Mapping[Path, float]
    recipe: Recipe
    reference: Mapping[str, Any]
    objective: Objective
    metrics: Mapping[str, float]
    data: Path | None
    about: Mapping[str, Any]

    @cached_property
    def predictor(self) -> Predictor:
        found = [self.recipe.load(checkpoint) for checkpoint in self.checkpoints]
        return found[0] if len(found) == 1 else AveragedPredictor(found, list(self.checkpoints.values()))

    @property
    def network(self) -> ModelPredictor:
        """The predictor, known to be that of one network.

        Raises:
            ExportError: the model is none, or has several.
        """
        predictor = self.predictor
        if isinstance(predictor, AveragedPredictor):
            predictor = predictor.as_network()
        if not isinstance(predictor, ModelPredictor):
            raise ExportError(
                f"The model of a {type(predictor).__name__} is not one network from inputs to outputs; use "
                'format="bundle".'
            )
        if len(predictor.model.networks) != 1:
            raise ExportError(
                f"One network can be exported, and this model has {', '.join(predictor.model.networks)}. "
                "Export the one that you need from study.best.model().model.networks with torch.export."
            )
        return predictor

    @property
    def is_named(self) -> bool:
        """Whether another process finds the recipe by its name, without code that came with the study."""
        return bool(self.reference["kind"] == "task")

    @property
    def metric(self) -> str:
        """The objective's metric by its plain name, as `evaluate` has it."""
        return self.objective.metric.removeprefix("val_")

    @property
    def recorded(self) -> float:
        return self.objective.value(self.metrics)

    def open_data(self) -> PreparedData:
        """The data that the model was measured on.

        Raises:
            ExportError: it is not there any more, so the export cannot be checked.
        """
        try:
            if self.data is None:
                raise ExportError("This search brought its own data, so an export cannot be checked: pass check=False.")
            return read_prepared(self.data)
        except ExecutionError as error:
            raise ExportError(
                f"The data that the model was measured on is not at {self.data} any more, so the export cannot be "
                "checked against its score. Pass check=False to export it unchecked."
            ) from error
