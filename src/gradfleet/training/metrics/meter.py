"""The numbers of one pass over the data, exact over all its rows."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import torch

from gradfleet.errors import SettingError
from gradfleet.training.metrics.epoch_metrics import EpochMetric
from gradfleet.training.metrics.logged import Logged
from gradfleet.training.metrics.predictions import Predictions
from gradfleet.training.problem import Problem
from gradfleet.training.processes import processes
from gradfleet.training.step import Step, num_rows

_KEPT_NUMBERS = 2**22  # outputs are kept until there are this many, then folded into the metrics
_KEPT_BATCHES = 2048


class Meter:
    """Keeps losses and outputs where they are, without asking the device for a number, until the pass is over.

    The loss is the mean over rows of the batches' mean losses: where a loss weighs rows differently, by class weights
    or an ignore_index, it is that mean and not the loss over all rows at once. Metrics are computed over all
    predictions.

    Attributes:
        logged: what steps have logged; it is among the numbers.
    """

    def __init__(self, problem: Problem, *, keep_predictions: bool = False) -> None:
        self._problem = problem
        self._keep = keep_predictions
        # Of texts there is an output for every token, of another number in each batch.
        self._with_outputs = bool(problem.metrics) or (keep_predictions and problem.kind != "text")
        self._metrics: list[EpochMetric] | None = None
        self._losses: list[torch.Tensor] = []
        self._rows: list[int] = []
        self._outputs: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []
        self._parts: list[Predictions] = []
        self._team = processes()
        # Processes hold different rows, and what one of them folds alone the others could not see.
        self._limit = _KEPT_BATCHES if self._team is None else sys.maxsize
        self._loss_sum = 0.0
        self._num_rows = 0
        self._num_outputs = 0
        self._gathered = False
        self.logged = Logged()

    def add(self, step: Step, batch: Any) -> None:
        """Take one batch's step in."""
        loss, outputs, targets = step
        if loss is not None:
            self._losses.append(loss.detach())
            self._rows.append(targets.shape[0] if isinstance(targets, torch.Tensor) else num_rows(batch))
        if self._with_outputs and isinstance(outputs, torch.Tensor) and isinstance(targets, torch.Tensor):
            if not self._outputs and self._team is None:
                self._limit = min(_KEPT_BATCHES, max(1, _KEPT_NUMBERS // max(1, outputs.numel())))
            self._outputs.append(outputs.detach())
            self._targets.append(targets)
        if len(self._losses) >= self._limit or len(self._outputs) >= self._limit:
            self._fold()

    def numbers(self) -> dict[str, float]:
        """`loss` and every metric by its plain name.

        Where the loss is not a number the metrics are none either: predictions of a network that diverged are NaN,
        which an arg-max would quietly count as the first class.
        """
        self._gather()
        self._fold()
        found = {"loss": self._loss_sum / self._num_rows} if self._num_rows else {}
        for metric in self._metrics or ():
            found |= self._ask(metric)
        if math.isnan(found.get("loss", 0.0)):
            found = dict.fromkeys(found, math.nan)
        logged = self.logged.numbers()
        if both := [name for name in logged if name in found]:
            raise SettingError(f"Every record has {both[0]!r} already; log your value under another name.")
        return found | logged

    def predictions(self) -> Predictions | None:
        """All predictions of the pass, when they were to be kept and there are any."""
        self._fold()
        return self._joined() if self._keep and self._parts else None

    def _gather(self) -> None:
        """Take in what the other processes have seen; once, when the pass is over."""
        if self._team is None or self._gathered:
            return
        own = [[one.cpu() for one in kept] for kept in (self._losses, self._outputs, self._targets)]
        found = self._team.gather((*own, self._rows, self.logged.state()))
        self._losses, self._outputs, self._targets, self._rows = (
            [one for seen in found for one in seen[number]] for number in range(4)
        )
        self.logged = Logged.of(seen[4] for seen in found)
        self._gathered = True

    def state(self) -> dict[str, Any]:
        """The pass so far, as numbers and tensors."""
        return {
            "losses": list(self._losses),
            "rows": list(self._rows),
            "outputs": list(self._outputs),
            "targets": list(self._targets),
            "parts": [[part.outputs, part.targets] for part in self._parts],
            "limit": self._limit,
            "sums": [self._loss_sum, self._num_rows],
            "metrics": None if self._metrics is None else [metric.state() for metric in self._metrics],
            "num_outputs": self._num_outputs,
            "logged": self.logged.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._losses, self._rows = list(state["losses"]), list(state["rows"])
        self._outputs, self._targets = list(state["outputs"]), list(state["targets"])
        problem = self._problem
        self._parts = [
            Predictions(outputs, targets, problem.kind, problem.outputs_are_probabilities)
            for outputs, targets in state["parts"]
        ]
        self._limit, (self._loss_sum, self._num_rows) = state["limit"], state["sums"]
        if state["metrics"] is not None:
            self._num_outputs = state["num_outputs"]
            self._metrics = problem.new_metrics(self._num_outputs)
            for metric, one in zip(self._metrics, state["metrics"], strict=True):
                metric.load_state(one)
        self.logged.load_state(state["logged"])

    def _fold(self) -> None:
        if self._losses:
            rows = torch.tensor(self._rows, dtype=torch.float64)
            losses = torch.stack(self._losses).flatten().double().cpu()
            self._loss_sum += float(losses @ rows)
            self._num_rows += sum(self._rows)
            self._losses, self._rows = [], []
        if self._outputs:
            self._feed(
                Predictions.gather(
                    self._outputs,
                    self._targets,
                    self._problem.kind,
                    given_as_probabilities=self._problem.outputs_are_probabilities,
                )
            )
            self._outputs, self._targets = [], []

    def _feed(self, part: Predictions) -> None:
        if self._metrics is None:
            self._num_outputs = part.num_outputs
            self._metrics = self._problem.new_metrics(part.num_outputs)
        for metric in self._metrics:
            if metric.in_parts:
                _call(metric, metric.update, part)
        if self._keep or not all(metric.in_parts for metric in self._metrics):
            self._parts.append(part)

    def _ask(self, metric: EpochMetric) -> dict[str, float]:
        if not metric.in_parts:
            _call(metric, metric.update, self._joined())
        return dict(_call(metric, metric.compute))

    def _joined(self) -> Predictions:
        if len(self._parts) > 1:
            first = self._parts[0]
            outputs = torch.cat([part.outputs for part in self._parts])
            targets = torch.cat([part.targets for part in self._parts])
            self._parts = [Predictions(outputs, targets, first.kind, first.given_as_probabilities)]
        return self._parts[0]


def _call(metric: EpochMetric, method: Any, *arguments: Any) -> Any:
    try:
        return method(*arguments)
    except Exception as error:
        error.add_note(f"Raised by the metric {' or '.join(metric.names)}.")
        raise
