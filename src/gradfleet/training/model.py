"""Model: a network with everything that it takes to train it, measure it and keep it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from gradfleet.data.loaders import Batches, Source, make_batches, split_of
from gradfleet.errors import Problems, SettingError
from gradfleet.training import inference
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.callbacks.progress import Progress
from gradfleet.training.context import Context, FitState
from gradfleet.training.evaluation import Evaluation, evaluate
from gradfleet.training.fit_settings import FitSettings
from gradfleet.training.history import EpochRecord, History
from gradfleet.training.inference import View
from gradfleet.training.listening.events import Events
from gradfleet.training.listening.listeners import Listeners
from gradfleet.training.loop import NO_FIT, Loop
from gradfleet.training.metrics.meter import Meter
from gradfleet.training.networks.lazy import shape_lazy_layers
from gradfleet.training.observed import Observed
from gradfleet.training.problem import Problem
from gradfleet.training.state import saving
from gradfleet.training.state.beginning import Beginning, require_new_optimizers
from gradfleet.training.state.untouched import untouched
from gradfleet.training.steps import Steps, TrainingStep


class Model(Observed, Steps):
    """A network, or several by name, trained by one loop.

    Subclass it and override any of `training_step`, `validation_step`, `predict_step`, `configure_optimizers`,
    `backward` and `optimizer_step`, alone or together.

    Args:
        network: a Module, or Modules by name.
        training_step: a function of (model, batch) that stands for the method of this name.
        device: where to train; a CUDA device when there is one, else the CPU.

    Attributes:
        network: the only network; a model of several has `networks` alone.
        optimizers: by the name of their network.
        history: one record for every epoch that the model has behind it.
        epoch: how many epochs those are.
        stop_reason: why a callback ended the last fit; None when it ran to its end.
        labels: class names in class-number order, when the data knew any.
        micro_batch: how many rows of a batch are trained on at once; its `rows` are None as long as memory suffices.
        inference_batch: the same of validation, evaluation and prediction.

    Example:
        >>> model = Model(nn.Linear(2, 2)).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
        >>> history = model.fit((torch.randn(64, 2), torch.randint(2, (64,))), epochs=2)
        >>> [record.epoch for record in history]
        [1, 2]
    """

    def __init__(
        self,
        network: nn.Module | Mapping[str, nn.Module],
        *,
        training_step: TrainingStep | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(network, training_step=training_step, device=device)
        self.listeners = Listeners()
        self.history = History()
        self.epoch = 0
        self.stop_reason: str | None = None
        self.labels: tuple[str, ...] | None = None
        self.batch_size = 32
        self.is_dry = False
        self._beginning: Beginning | None = None

    def epochs(
        self,
        data: Source | None = None,
        validation: Source | None = None,
        *,
        epochs: int,
        batch_size: int = 32,
        callbacks: Iterable[Callback] = (),
        seed: int | None = None,
        resume: Path | str | None = None,
        inherit: Path | str | None = None,
        reset: bool = False,
        steps_per_epoch: int | None = None,
        limit_batches: int | None = None,
        overfit_batches: int | None = None,
    ) -> Generator[EpochRecord, None, None]:
        """Train, giving each epoch's record when it is complete; the model may be saved before the next is asked for.

        Args:
            data: a DataLoader, a torch Dataset, ArrayExamples, a tuple (inputs, targets), or data with parts of its
                own, such as an AutoDataset. None for a training step that needs none; its batches are None then.
            epochs: how many more; with `resume` or `inherit`, how many in total.
            batch_size: of everything but DataLoaders.
            seed: of everything random, anew in each epoch; 0, or with `resume` that of the fit that is resumed.
            resume: a checkpoint folder to go on from exactly; in the middle of an epoch, when it was written at
                `batch_end`. That epoch has begun already, so its `epoch_start` does not come again. Of one that is
                damaged the latest intact one before it is taken, when there is one beside it, with a warning.
            inherit: in place of `resume`, the checkpoint of a fit with other settings: what it has learned is gone on
                from, with this model's own learning rate, other values of the optimizer, and batch size.
            reset: whether to begin anew, with weights and history as they were before this model's first fit and with
                new optimizers; otherwise a further fit goes on where the last one ended.
            steps_per_epoch: so many training batches in every epoch, each of which begins the data anew and goes
                through it again where it is too short; needed when there is no data.
            limit_batches: at most so many batches of training and of validation in every epoch.
            overfit_batches: train on the same first few batches in every epoch, to see whether the network can learn.

        Raises:
            SettingError: the model is not compiled, or an argument cannot be.
            CheckpointError: the checkpoint is damaged or belongs to another network.
        """
        problems = Problems()
        with problems:
            chosen = FitSettings(
                epochs,
                batch_size,
                seed,
                resume,
                inherit,
                reset,
                steps_per_epoch,
                limit_batches,
                overfit_batches,
                has_data=data is not None,
            )
        with problems:
            self._require_compiled("fit")
        if self._loop is not None and self._loop.is_at_work:
            problems.append("This model is in the middle of a fit, whose steps and callbacks cannot begin another.")
        problems.refuse()
        parts = split_of(data, validation)
        self._begin(parts.train, chosen)
        resumed = saving.resume(self, chosen.start) if chosen.start is not None else None
        fit_state = {**NO_FIT, **(resumed.fit if resumed is not None else {"first_epoch": self.epoch})}
        seed = int(fit_state["seed"] if seed is None else seed)
        train = chosen.training(parts.train, seed, self.device)
        self._learn_facts(parts.facts, train.targets())
        self.batch_size = batch_size
        loop = Loop(
            self,
            train,
            chosen.validation(parts.validation, self.device),
            total_epochs=epochs if resumed is not None else self.epoch + epochs,
            first_epoch=fit_state["first_epoch"],
            seed=seed,
            callbacks=self._own_share(callbacks),
        )
        if resumed is not None:
            resumed.restore_optimizers(self, own_values=inherit is not None)
            loop.load_state(fit_state if inherit is None else saving.without_values(fit_state))
        self._loop = loop
        return loop.run()

    def fit(
        self,
        data: Source | None = None,
        validation: Source | None = None,
        *,
        epochs: int,
        batch_size: int = 32,
        callbacks: Iterable[Callback] = (),
        seed: int | None = None,
        resume: Path | str | None = None,
        reset: bool = False,
        steps_per_epoch: int | None = None,
        limit_batches: int | None = None,
        overfit_batches: int | None = None,
        dry_run: bool = False,
        progress: bool = True,
    ) -> History:
        """Train to the end; the model's whole history, earlier fits included. Other arguments are those of `epochs`.

        Args:
            dry_run: train and validate one batch, to see that everything works: nothing is saved, callbacks that write
                (see `Callback.writes`) are left out, and the model is as it was afterwards. Its record is returned.
            progress: whether to show the fit, as `callbacks.Progress` does, unless there is one among the callbacks.
        """
        callbacks = self._own_share(callbacks)
        if progress and not any(isinstance(one, Progress) for one in callbacks):
            callbacks.append(Progress())
        if dry_run:
            return self._run_dry(data, validation, batch_size, callbacks, seed)
        for _ in self.epochs(
            data,
            validation,
            epochs=epochs,
            batch_size=batch_size,
            callbacks=callbacks,
            seed=seed,
            resume=resume,
            reset=reset,
            steps_per_epoch=steps_per_epoch,
            limit_batches=limit_batches,
            overfit_batches=overfit_batches,
        ):
            pass
        return self.history

    def evaluate(self, data: Source, *, batch_size: int | None = None, views: Sequence[View] = ()) -> Evaluation:
        """Metrics over labelled data, by their plain names; of data with parts its test part, else its validation part.

        Args:
            batch_size: the default is that of the last fit, which gives its validation's numbers again.
            views: functions of a batch's inputs, such as a flip or no change at all; what is measured is the mean of
                the outputs over them (test-time augmentation), computed by `predict_step`.

        Raises:
            SettingError: the model is not compiled.
        """
        self._require_compiled("evaluate")
        parts = split_of(data)
        own = parts.test if parts.test is not None else parts.validation
        batches = self._batches(own if own is not None else parts.train, batch_size)
        self._learn_facts(parts.facts, batches.targets())
        inference.settle(self, batches)
        state = FitState(self, self.epoch)
        meter = Meter(self.problem, keep_predictions=True)
        inference.measure(self, batches, meter, Events((), Context(state)), state, views)
        return evaluate(meter, self.labels)

    def predict(self, data: Source, *, batch_size: int | None = None, views: Sequence[View] = ()) -> torch.Tensor:
        """The networks' raw outputs, a row for each of the inputs, in their order, computed in eval mode.

        Args:
            data: inputs alone (a tensor or an array), or anything that `evaluate` takes; its targets are not used.
            views: as for `evaluate`; the mean over them is returned.
        """
        parts = split_of(data)
        own = parts.test if parts.test is not None else parts.validation
        return inference.predict(self, self._batches(own if own is not None else parts.train, batch_size), views)

    def save(self, folder: Path | str, *, extra: Mapping[str, Any] | None = None, durable: bool = True) -> None:
        """Write a checkpoint folder: all or nothing, replacing the one that may be there.

        Args:
            extra: further JSON to keep with it; `checkpoint.read_extra` reads it without the weights.
            durable: whether it survives the death of the machine too, not only that of the process; see
                `checkpoint.write_files`.
        """
        if self.is_dry:
            return
        if self.is_main:
            saving.save(self, Path(folder), extra or {}, durable=durable)
        elif self.sharding is not None and self._loop is None:  # within a fit the loop helps
            self.sharding.follow()

    @classmethod
    def load(
        cls,
        folder: Path | str,
        network: nn.Module | Mapping[str, nn.Module],
        *,
        device: torch.device | str | None = None,
    ) -> Self:
        """The model that was saved, with its weights put into `network`. No code of the checkpoint is run.

        It is compiled as it was, unless it was given objects such as a loss of its own: then compile it again before
        fit or evaluate. To go on training exactly where it was, compile a new model and `fit(..., resume=folder)`.

        Raises:
            CheckpointError: the folder is damaged or belongs to another network.
        """
        model = cls(network, device=device)
        settings = saving.load(model, Path(folder))
        return model._compile_as(settings) if settings is not None else model

    def leave(self, fit_state: Mapping[str, Any], stop_reason: str | None) -> None:
        """The loop is over; what it leaves is kept for `save`."""
        self._loop, self._last_fit, self.stop_reason = None, fit_state, stop_reason

    def _require_compiled(self, before: str) -> None:
        if self._settings is None:
            raise SettingError(f"This model is not compiled: call compile(...) before {before}.")

    def _begin(self, data: Source | None, chosen: FitSettings) -> None:
        """Keep what the model is before its first fit, or be that again."""
        if data is not None:
            shape_lazy_layers(self, self._batches(data, chosen.batch_size))
        if chosen.reset and self._beginning is not None:
            optimizers = self.settings.optimizer
            require_new_optimizers(optimizers.values() if isinstance(optimizers, Mapping) else [optimizers])
            self._beginning.restore(self)
            self._last_fit = NO_FIT
            self._compile_as(self.settings)
        elif self._beginning is None and not self.is_dry:
            self._beginning = Beginning.of(self)

    def _own_share(self, callbacks: Iterable[Callback]) -> list[Callback]:
        """The callbacks that this process has: of several only the first one's write."""
        if not isinstance(callbacks, Iterable):
            raise SettingError(f"callbacks= takes a list of callbacks, got {callbacks!r}.")
        return [one for one in callbacks if self.is_main or not getattr(one, "writes", False)]

    def _run_dry(
        self,
        data: Source | None,
        validation: Source | None,
        batch_size: int,
        callbacks: Iterable[Callback],
        seed: int | None,
    ) -> History:
        """The record of one batch of training and validation, which leaves no trace."""
        self._require_compiled("fit")
        parts = split_of(data, validation)
        if parts.train is not None:
            shape_lazy_layers(self, self._batches(parts.train, batch_size))
        with untouched(self):
            self.is_dry = True
            epochs = self.epochs(
                data,
                validation,
                epochs=1,
                batch_size=batch_size,
                callbacks=[one for one in callbacks if not getattr(one, "writes", False)],
                seed=seed,
                steps_per_epoch=1 if data is None else None,
                limit_batches=1,
            )
            return History(epochs)

    def _batches(self, source: Source, batch_size: int | None) -> Batches:
        size = self.batch_size if batch_size is None else batch_size
        return make_batches(source, batch_size=size, shuffle=False, seed=0, device=self.device)

    def _learn_facts(self, facts: Any, targets: torch.Tensor | None) -> None:
        """What the data tells before its first batch."""
        if facts is not None:
            self.labels = facts.labels
        told = facts.kind if facts is not None else None
        if self._problem is None and (told is not None or targets is not None):
            self._problem = Problem.infer(self.settings, targets, told)
