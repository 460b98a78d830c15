"""What is learned: the kind of problem with the loss and the metrics that settle on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError
from gradfleet.training import kinds, losses, metrics
from gradfleet.training.batches.memory import is_out_of_memory
from gradfleet.training.metrics.epoch_metrics import EpochMetric
from gradfleet.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Problem:
    """Settings with nothing left open.

    Attributes:
        kind: None when neither the settings nor the data tell; then there is a loss only where one was given.
    """

    kind: Kind | None
    loss: losses.Loss | None
    metrics: metrics.MetricChoices
    outputs_are_probabilities: bool = False

    @classmethod
    def settle(cls, settings: TrainingSettings, kind: Kind | None) -> Problem:
        """The problem of `kind` under `settings`.

        Raises:
            SettingError: a metric of the settings is not for problems of this kind.
        """
        chosen = settings.metrics if settings.metrics is not None else metrics.DEFAULTS[kind] if kind else ()
        if found := metrics.problems(chosen, kind):
            raise SettingError(found)
        metrics.import_needed(chosen)
        loss = settings.loss if settings.loss is not None else losses.DEFAULTS[kind] if kind else None
        return cls(
            kind,
            losses.build(loss) if loss is not None else None,
            chosen,
            losses.takes_probabilities(settings.loss),
        )

    def compute_loss(self, outputs: Any, targets: Any) -> torch.Tensor:
        """The loss of a batch.

        Raises:
            SettingError: there is no loss, or it does not fit the outputs; the shapes are named.
        """
        if self.loss is None:
            raise SettingError("Nothing tells which loss to use: give compile a loss=, or the kind= of problem.")
        tensors = isinstance(outputs, torch.Tensor) and isinstance(targets, torch.Tensor)
        if tensors and self.kind != "text":  # of which outputs have an axis more than targets: the tokens that may be
            outputs, targets = kinds.align(outputs, targets, self.kind)
            if self.kind not in (None, "multiclass") and outputs.shape != targets.shape:
                raise self._misfit(outputs, targets, "they would be broadcast against each other")
        try:
            return self.loss(outputs, targets)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if is_out_of_memory(error):
                raise
            raise self._misfit(outputs, targets, error) from error

    def _misfit(self, outputs: Any, targets: Any, reason: object) -> SettingError:
        return SettingError(
            f"The loss does not fit: outputs are {_describe(outputs)} and targets are {_describe(targets)}"
            f"{f' of a {self.kind} problem' if self.kind else ''} ({reason}). "
            "Check the network's last layer, the loss, and kind= of compile."
        )

    @classmethod
    def infer(cls, settings: TrainingSettings, targets: Any, told: Kind | None = None) -> Problem:
        """The problem that the settings, else the data's own facts (`told`), else the targets' type say it is."""
        kind = settings.told_kind or told
        if kind is None and isinstance(targets, torch.Tensor):
            kind = kinds.infer_kind(targets, losses.kinds_of(settings.loss))
        return cls.settle(settings, kind)

    @property
    def metric_names(self) -> list[str]:
        return metrics.names_of(self.metrics)

    def new_metrics(self, num_outputs: int) -> list[EpochMetric]:
        """Fresh metrics for one pass over the data."""
        return metrics.build(self.metrics, self.kind, num_outputs)


def _describe(values: Any) -> str:
    if isinstance(values, torch.Tensor):
        return f"{tuple(values.shape)} of {str(values.dtype).removeprefix('torch.')}"
    return type(values).__name__
