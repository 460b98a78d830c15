"""A trial of a summarizer that writes: trained for the epochs that there is time for, measured after each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from autotasks.backbones import usual_device
from autotasks.rouge import rouge
from autotasks.speed import wait_for
from autotasks.tfidf import text_inputs
from autotasks.writers import WritingModel
from autotasks.written_summaries import WritingSummarizer
from gradfleet.errors import SettingError
from gradfleet.tasks import ArrayExamples, TextTargets, TrialPlan
from gradfleet.training.callbacks import TimeLimit

_BATCH = 16
_SPARE = 0.9  # of the time that is left may be planned with
_TELLING = 0.5  # seconds in which the last epoch's checkpoint is written

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
        started, number = time.perf_counter(), self.num_epochs()
        deadline = self.plan.deadline or math.inf
        model = WritingModel(self.summarizer.writer)
        model.compile(
            kind="text",
            optimizer="adamw",
            learning_rate=self.summarizer.rate,
            schedule="warmup_cosine",
            clip_norm=1.0,
        )
        records = model.epochs(
            self.train,
            self.validation,
            epochs=number,
            batch_size=_BATCH,
            callbacks=[] if self.plan.deadline is None else [TimeLimit(self.plan.deadline)],
            seed=self.plan.seed,
        )
        for record in records:
            if record.epoch == number:
                self.summarizer.tune(text_inputs(self.validation.inputs), self._wanted, deadline - _TELLING)
            losses = {name: record.metrics[name] for name in ("train_loss", "val_loss")}
            epoch = math.ceil(record.epoch * self.plan.epochs / number)
            self.tell(epoch, {**self.measure(), **losses, "train_seconds": time.perf_counter() - started})

    def measure(self) -> dict[str, float]:
        """ROUGE of what is written for the validation rows."""
        found = self.summarizer.write(text_inputs(self.validation.inputs))
        return {f"val_{name}": float(score.mean()) for name, score in rouge(found, self._wanted).items()}

    def num_epochs(self) -> int:
        """As many as there is time for, by the speed of a few batches.

        Raises:
            SettingError: there is not time for one.
        """
        wanted = min(self.summarizer.rounds, self.plan.epochs)
        if self.plan.deadline is None:
            return wanted
        training, measuring = self._seconds_of_training(), self._seconds_of_measuring()
        left = _SPARE * (self.plan.deadline - time.time()) - measuring  # in which generation is tuned
        if left < training + measuring:
            needed = (training + 2 * measuring) / _SPARE
            raise SettingError(
                f"To train a summarizer that writes needs about {needed:.0f} s here for a single epoch, and "
                f"{max(0.0, self.plan.deadline - time.time()):.0f} s are left. Give the search a larger budget."
            )
        return min(wanted, int(left / (training + measuring)))

    def _seconds_of_training(self) -> float:
        return self._timed(_BATCH, len(self.train), self._step)

    def _seconds_of_measuring(self) -> float:
        """Of summaries of usual length: what is untrained would end at any length."""
        inputs, targets, told = text_inputs(self.validation.inputs), self.train.targets, self.summarizer.generation
        assert isinstance(targets, TextTargets)
        usual = min(int(targets.tokens[targets.view].lengths.float().median()), told.max_tokens - 1)
        generation, at_once = replace(told, min_tokens=usual), self.summarizer.writer.at_once
        return self._timed(
            at_once, len(inputs), lambda rows: self.summarizer.write(inputs.part(0, len(rows)), generation)
        )

    def _step(self, rows: torch.Tensor) -> None:
        writer, targets = self.summarizer.writer, self.train.targets
        assert isinstance(targets, TextTargets)
        known = targets.decoder_inputs(targets.take(rows))
        batch = {**text_inputs(self.train.inputs).take(rows), "decoder_input_ids": known}
        writer.eval()  # nothing random is drawn, so the trial trains as if nothing had been measured
        writer(**{name: part.to(usual_device()) for name, part in batch.items()}).logsumexp(-1).sum().backward()
        writer.zero_grad(set_to_none=True)

    @staticmethod
    def _timed(at_once: int, num_rows: int, do: Callable[[Any], object]) -> float:
        """Seconds for all rows, by the second of two batches."""
        rows = torch.arange(min(at_once, num_rows))
        do(rows)
        wait_for(usual_device())
        started = time.perf_counter()
        do(rows)
        wait_for(usual_device())
        return (time.perf_counter() - started) * num_rows / len(rows)

    @property
    def _wanted(self) -> list[str]:
        assert isinstance(self.validation.targets, TextTargets)
        return list(self.validation.targets.texts)
