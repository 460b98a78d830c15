"""Model: a network with everything that it takes to train it, measure it and keep it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn
from torch.optim import Optimizer

from gradfleet.data.loaders import Batches, Source, make_batches, split_of
from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError
from gradfleet.training import inference, losses, metrics, optimizers, saving, schedules
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context, FitState
from gradfleet.training.evaluation import Evaluation, evaluate
from gradfleet.training.events import Events
from gradfleet.training.history import EpochRecord, History
from gradfleet.training.loop import Loop
from gradfleet.training.meter import Meter
from gradfleet.training.precision import Precision, PrecisionName
from gradfleet.training.problem import Problem
from gradfleet.training.settings import TrainingSettings, network_problems
from gradfleet.training.step import Step, call, inputs_of, split_batch


class Model:
    """A network, or several by name, trained by one loop.

    Subclass it and override any of `training_step`, `validation_step`, `predict_step`, `configure_optimizers`,
    `backward` and `optimizer_step`, alone or together.

    Args:
        network: a Module, or Modules by name.
        device: where to train; a CUDA device when there is one, else the CPU.

    Attributes:
        network: the only network; a model of several has `networks` alone.
        optimizers: by the name of their network.
        history: one record for every epoch that the model has behind it.
        epoch: how many epochs those are.
        stop_reason: why a callback ended the last fit; None when it ran to its end.
        labels: class names in class-number order, when the data knew any.

    Example:
        >>> model = Model(nn.Linear(2, 2)).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
        >>> history = model.fit((torch.randn(64, 2), torch.randint(2, (64,))), epochs=2)
        >>> [record.epoch for record in history]
        [1, 2]
    """

    network: nn.Module

    def __init__(
        self, network: nn.Module | Mapping[str, nn.Module], *, device: torch.device | str | None = None
    ) -> None:
        self.networks = dict(network) if isinstance(network, Mapping) else {"network": network}
        if found := network_problems(self.networks):
            raise SettingError(found)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        for one in self.networks.values():
            one.to(self.device)
        if len(self.networks) == 1:
            (self.network,) = self.networks.values()
        self.optimizers: dict[str, Optimizer] = {}
        self.precision = Precision("fp32", self.device)
        self.history = History()
        self.epoch = 0
        self.stop_reason: str | None = None
        self.labels: tuple[str, ...] | None = None
        self.batch_size = 32
        self._settings: TrainingSettings | None = None
        self._problem: Problem | None = None
        self._loop: Loop | None = None
        self._last_fit: Mapping[str, Any] = {}
        self._rates: dict[str, schedules.Rates] = {}

    def compile(
        self,
        loss: losses.LossChoice | None = None,
        *,
        optimizer: optimizers.OptimizerChoice = "adamw",
        learning_rate: float | None = None,
        optimizer_options: Mapping[str, Any] | None = None,
        metrics: metrics.MetricChoices | None = None,
        kind: Kind | None = None,
        precision: PrecisionName = "fp32",
        schedule: schedules.ScheduleChoice | None = None,
        clip_norm: float | None = None,
    ) -> Self:
        """Say how to train. What is left out follows from the kind of problem, which the data tells.

        Args:
            loss: a name (see `losses.LOSSES`), a class, or a function of (outputs, targets).
            optimizer: a name (see `optimizers.OPTIMIZERS`), a class or factory of (parameters, **options), or an
                instance.
            learning_rate: the default is the optimizer's own (see `optimizers.LEARNING_RATES`).
            optimizer_options: further arguments of the optimizer, such as `{"momentum": 0.9}`.
            metrics: names, torchmetrics objects or classes, names of sklearn scorers, or functions of
                (outputs, targets); a dict gives them names. An empty list computes the loss alone.
            precision: of the network's computations; weights stay in float32.
            schedule: of the learning rate: a name (see `schedules.SCHEDULES`), a class or a factory of (optimizer).
            clip_norm: the largest norm that a network's gradients may have.

        Raises:
            SettingError: with every problem that there is.
        """
        settings = TrainingSettings(
            loss, optimizer, learning_rate, dict(optimizer_options or {}), metrics, kind, precision, schedule, clip_norm
        )
        if len(self.networks) > 1 and isinstance(optimizer, Optimizer):
            raise SettingError("One optimizer cannot serve several networks; give its name, class or a factory.")
        return self._compile_as(settings)

    def epochs(
        self,
        data: Source,
        validation: Source | None = None,
        *,
        epochs: int,
        batch_size: int = 32,
        callbacks: Iterable[Callback] = (),
        seed: int | None = None,
        resume: Path | str | None = None,
    ) -> Iterator[EpochRecord]:
        """Train, giving each epoch's record when it is complete; the model may be saved before the next is asked for.

        Args:
            data: a DataLoader, a torch Dataset, ArrayExamples, a tuple (inputs, targets), or data with parts of its
                own, such as an AutoDataset.
            epochs: how many more; with `resume`, how many in total.
            batch_size: of everything but DataLoaders.
            seed: of everything random, anew in each epoch; 0, or with `resume` that of the fit that is resumed.
            resume: a checkpoint folder to go on from exactly.

        Raises:
            SettingError: the model is not compiled, or an argument cannot be.
            CheckpointError: the checkpoint is damaged or belongs to another network.
        """
        found = _fit_problems(epochs, batch_size, seed)
        if self._settings is None:
            found.append("This model is not compiled: call compile(...) before fit.")
        if found:
            raise SettingError(found)
        resumed = saving.resume(self, Path(resume)) if resume is not None else None
        fit_state = resumed.fit if resumed is not None else {"seed": 0, "first_epoch": self.epoch}
        seed = fit_state["seed"] if seed is None else seed
        parts = split_of(data, validation)
        train = make_batches(parts.train, batch_size=batch_size, shuffle=True, seed=seed, device=self.device)
        held_out = self._batches(parts.validation, batch_size) if parts.validation is not None else None
        self._learn_facts(parts.facts, train.targets())
        self.batch_size = batch_size
        loop = Loop(
            self,
            train,
            held_out,
            total_epochs=epochs if resumed is not None else self.epoch + epochs,
            first_epoch=fit_state["first_epoch"],
            seed=seed,
            callbacks=callbacks,
        )
        if resumed is not None:
            resumed.restore_optimizers(self)
            loop.load_state(fit_state)
        self._loop = loop
        return loop.run()

    def fit(
        self,
        data: Source,
        validation: Source | None = None,
        *,
        epochs: int,
        batch_size: int = 32,
        callbacks: Iterable[Callback] = (),
        seed: int | None = None,
        resume: Path | str | None = None,
    ) -> History:
        """Train to the end; the arguments are those of `epochs`. The model's whole history, earlier fits included."""
        for _ in self.epochs(
            data, validation, epochs=epochs, batch_size=batch_size, callbacks=callbacks, seed=seed, resume=resume
        ):
            pass
        return self.history

    def evaluate(self, data: Source, *, batch_size: int | None = None) -> Evaluation:
        """Metrics over labelled data, by their plain names; of data with parts its test part, else its validation part.

        Args:
            batch_size: the default is that of the last fit, which gives its validation's numbers again.

        Raises:
            SettingError: the model is not compiled.
        """
        if self._settings is None:
            raise SettingError("This model is not compiled: call compile(...) before evaluate.")
        parts = split_of(data)
        own = parts.test if parts.test is not None else parts.validation
        batches = self._batches(own if own is not None else parts.train, batch_size)
        self._learn_facts(parts.facts, batches.targets())
        if self._problem is None:
            self.settle_from(next(batches.epoch(0), None))
        state = FitState(self, self.epoch)
        meter = Meter(self.problem, keep_predictions=True)
        inference.measure(self, batches, meter, Events((), Context(state)), state)
        return evaluate(meter, self.labels)

    def predict(self, data: Source, *, batch_size: int | None = None) -> torch.Tensor:
        """The networks' raw outputs, a row for each of the inputs, in their order, computed in eval mode.

        Args:
            data: inputs alone (a tensor or an array), or anything that `evaluate` takes; its targets are not used.
        """
        parts = split_of(data)
        own = parts.test if parts.test is not None else parts.validation
        return inference.predict(self, self._batches(own if own is not None else parts.train, batch_size))

    def save(self, folder: Path | str, *, extra: Mapping[str, Any] | None = None, durable: bool = True) -> None:
        """Write a checkpoint folder: all or nothing, replacing the one that may be there.

        Args:
            extra: further JSON to keep with it; `checkpoint.read_extra` reads it without the weights.
            durable: whether it survives the death of the machine too, not only that of the process; see
                `checkpoint.write_files`.
        """
        fit_state = self._loop.state() if self._loop is not None else self._last_fit
        saving.save(self, Path(folder), fit_state, extra or {}, durable=durable)

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

    # What a subclass may override.

    def training_step(self, batch: Any) -> Step | torch.Tensor | None:
        """One batch forward: the loss to differentiate, with outputs and targets for the metrics."""
        inputs, targets = split_batch(batch)
        outputs = self.forward(inputs)
        return Step(self.compute_loss(outputs, targets), outputs, targets)

    def validation_step(self, batch: Any) -> Step | torch.Tensor | None:
        """One batch of held-out data, in eval mode and without gradients."""
        inputs, targets = split_batch(batch)
        outputs = call(self.network, inputs)
        return Step(self.problem.compute_loss(outputs, targets), outputs, targets)

    def predict_step(self, batch: Any) -> torch.Tensor:
        """The outputs of one batch, which may have targets or not."""
        outputs: torch.Tensor = call(self.network, inputs_of(batch))
        return outputs

    def configure_optimizers(self) -> Optimizer | Mapping[str, Optimizer]:
        """The optimizer of the only network, or one for each network by its name."""
        chosen = self.settings
        return {
            name: optimizers.build(chosen.optimizer, network, chosen.learning_rate, chosen.optimizer_options)
            for name, network in self.networks.items()
        }

    def backward(self, loss: torch.Tensor) -> None:
        """Give every parameter its gradient."""
        scaler = self.precision.scaler
        (loss if scaler is None else scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]

    def optimizer_step(self) -> None:
        """Move the weights; gradients are unscaled and clipped before, where the settings say so."""
        scaler, limit = self.precision.scaler, self.settings.clip_norm
        for optimizer in self.optimizers.values():
            if scaler is not None:
                scaler.unscale_(optimizer)
            if limit is not None:
                nn.utils.clip_grad_norm_([one for group in optimizer.param_groups for one in group["params"]], limit)
            if scaler is None:
                optimizer.step()
            else:
                scaler.step(optimizer)
        if scaler is not None:
            scaler.update()

    # What a step may use.

    def forward(self, inputs: Any) -> Any:
        """The network's outputs, shown to the callbacks that listen."""
        outputs = call(self.network, inputs)
        return outputs if self._loop is None else self._loop.offer_outputs(outputs)

    def compute_loss(self, outputs: Any, targets: Any) -> torch.Tensor:
        """The loss of a batch, shown to the callbacks that listen."""
        loss = self.problem.compute_loss(outputs, targets)
        return loss if self._loop is None else self._loop.offer_loss(loss)

    # What the loop and the checkpoints use.

    @property
    def is_compiled(self) -> bool:
        return self._settings is not None

    @property
    def settings(self) -> TrainingSettings:
        if self._settings is None:
            raise SettingError("This model is not compiled: call compile(...) first.")
        return self._settings

    @property
    def problem(self) -> Problem:
        if self._problem is None:
            raise SettingError("The kind of problem is not known before the first batch; give compile its kind=.")
        return self._problem

    def settle_from(self, batch: Any) -> None:
        """Decide the kind of problem by a batch, unless it was decided before."""
        if self._problem is None:
            self._problem = Problem.infer(self.settings, _targets_of(batch))

    def expected_metrics(self, *, validation: bool) -> tuple[str, ...] | None:
        """The names of the numbers that records are going to have; None while nobody can know."""
        if self._problem is None or type(self).training_step is not Model.training_step:
            return None
        prefixes = ("train", "val") if validation else ("train",)
        names = [f"{prefix}_{name}" for prefix in prefixes for name in ("loss", *self._problem.metric_names)]
        return (*names, "train_seconds")

    def build_schedules(self, total_steps: int | None) -> dict[str, schedules.Schedule]:
        """A schedule for each optimizer, from the rates that it had when it was made; none unless compile was told."""
        choice = self.settings.schedule
        if choice is None:
            return {}
        return {
            name: schedules.build(choice, optimizer, self._rates[name], total_steps)
            for name, optimizer in self.optimizers.items()
        }

    def leave(self, fit_state: Mapping[str, Any], stop_reason: str | None) -> None:
        """The loop is over; what it leaves is kept for `save`."""
        self._loop, self._last_fit, self.stop_reason = None, fit_state, stop_reason

    def _compile_as(self, settings: TrainingSettings) -> Self:
        self._settings = settings
        self.precision = Precision(settings.precision, self.device)
        made = self.configure_optimizers()
        self.optimizers = {"network": made} if isinstance(made, Optimizer) else dict(made)
        self._rates = {name: schedules.rates_of(one) for name, one in self.optimizers.items()}
        kind = settings.told_kind
        self._problem = Problem.settle(settings, kind) if kind is not None else None
        return self

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


def _targets_of(batch: Any) -> Any:
    try:
        return split_batch(batch)[1]
    except ValueError:  # a batch of a shape that only the user's own step understands
        return None


def _fit_problems(epochs: int, batch_size: int, seed: int | None) -> list[str]:
    wanted: Sequence[tuple[str, int, int]] = (
        ("epochs", epochs, 0),
        ("batch_size", batch_size, 1),
        ("seed", seed or 0, 0),
    )
    return [
        f"{name} must be a whole number of at least {least}, got {value!r}."
        for name, value, least in wanted
        if type(value) is not int or value < least
    ]
