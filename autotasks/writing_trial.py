"""A trial of a summarizer that writes: trained for the epochs that there is time for, measured after each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from autotasks.backbones import usual_device
from autotasks.rouge import rouge
from autotasks.tfidf import text_inputs
from autotasks.writers import WritingModel
from autotasks.written_summaries import WritingSummarizer
from gradfleet.errors import SettingError
from gradfleet.tasks import ArrayExamples, TextTargets, TrialPlan
from gradfleet.training.callbacks import TimeLimit

_BATCH = 16
_SPARE = 0.9  # of the time that is left may be planned with

Tell = Callable[[int, Mapping[str, float]], object]
"""Takes an epoch, counted as the search does, and what was measured after it."""


@dataclass(frozen=True)
class WritingTrial:
    """Trains one summarizer.

    Attributes:
        summarizer: started.
        train, validation: as the summarizer reads them.
        tell: is called after each epoch.
    """

    plan: TrialPlan
    summarizer: WritingSummarizer
    train: ArrayExamples
    validation: ArrayExamples
    tell: Tell

    def run(self) -> None:
        started, (number, until) = time.perf_counter(), self.planned()
        model = WritingModel(self.summarizer.writer)
        model.compile(
            kind="text",
            optimizer="adamw",
            learning_rate=self.summarizer.rate,
            schedule="warmup_cosine",
            clip_norm=1.0,
        )
        limits = [] if self.plan.deadline is None else [TimeLimit(self.plan.deadline)]
        told: Any = {"epochs": number, "batch_size": _BATCH, "callbacks": limits, "seed": self.plan.seed}
        for record in model.epochs(self.train, self.validation, **told):
            if record.epoch == number:
                self.summarizer.tune(text_inputs(self.validation.inputs), self._wanted, until)
            losses = {name: record.metrics[name] for name in ("train_loss", "val_loss")}
            epoch = math.ceil(record.epoch * self.plan.epochs / number)
            self.tell(epoch, {**self.measure(), **losses, "train_seconds": time.perf_counter() - started})

    def measure(self) -> dict[str, float]:
        """ROUGE of what is written for the validation rows."""
        found = self.summarizer.write(text_inputs(self.validation.inputs))
        return {f"val_{name}": float(score.mean()) for name, score in rouge(found, self._wanted).items()}

    def planned(self) -> tuple[int, float]:
        """As many epochs as there is time for, by the speed of a few batches, and until when writing may be tuned.

        Raises:
            SettingError: there is not time for one.
        """
        wanted = min(self.summarizer.rounds, self.plan.epochs)
        if self.plan.deadline is None:
            return wanted, math.inf
        training, measuring = self._seconds_of_training(), self._seconds_of_measuring()
        left = _SPARE * (self.plan.deadline - time.time()) - measuring  # in which what is written is tuned
        if left < training + measuring:
            needed = (training + 2 * measuring) / _SPARE
            raise SettingError(
                f"To train a summarizer that writes needs about {needed:.0f} s here for a single epoch, and "
                f"{max(0.0, self.plan.deadline - time.time()):.0f} s are left. Give the search a larger budget."
            )
        return min(wanted, int(left / (training + measuring))), self.plan.deadline - measuring / _SPARE

    def _seconds_of_training(self) -> float:
        inputs, targets = self.train.inputs, self.train.targets
        return self._timed(_BATCH, len(inputs), lambda rows: self._step(inputs.take(rows), targets.take(rows)))

    def _seconds_of_measuring(self) -> float:
        inputs = text_inputs(self.validation.inputs)
        at_once = self.summarizer.writer.at_once
        return self._timed(at_once, len(inputs), lambda rows: self.summarizer.write(inputs.part(0, len(rows))))

    def _step(self, batch: Any, targets: Any) -> None:
        writer, device = self.summarizer.writer, usual_device()
        batch, targets = {name: part.to(device) for name, part in batch.items()}, targets.to(device)
        writer.eval()  # nothing random is drawn, so the trial trains as if nothing had been measured
        writer(**batch, decoder_input_ids=writer.known(targets)).logsumexp(-1).sum().backward()
        writer.zero_grad(set_to_none=True)

    @staticmethod
    def _timed(at_once: int, num_rows: int, do: Callable[[Any], object]) -> float:
        """Seconds for all rows, by the second of two batches."""
        rows = torch.arange(min(at_once, num_rows))
        do(rows)
        started = time.perf_counter()
        do(rows)
        return (time.perf_counter() - started) * num_rows / len(rows)

    @property
    def _wanted(self) -> list[str]:
        assert isinstance(self.validation.targets, TextTargets)
        return list(self.validation.targets.texts)
