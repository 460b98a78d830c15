"""What a Model does with one batch: networks compiled for training, and every step that a subclass may override."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn
from torch.optim import Optimizer

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError
from gradfleet.training import losses, metrics, optimizer_values, optimizers, schedules
from gradfleet.training.precision import Precision, PrecisionName
from gradfleet.training.problem import Problem
from gradfleet.training.settings import TrainingSettings, network_problems
from gradfleet.training.step import Step, call, inputs_of, split_batch

if TYPE_CHECKING:
    from gradfleet.training.loop import Loop


class Steps:
    """The part of Model that knows one batch at a time; see Model."""

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
        self._rates: dict[str, optimizer_values.Rates] = {}
        self._settings: TrainingSettings | None = None
        self._problem: Problem | None = None
        self._loop: Loop | None = None

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
            schedule: of the learning rate: a name (see `schedules.SCHEDULES`), a curve (see `curves`), a TorchSchedule,
                a class or a factory of (optimizer); or a dict with one for each value of the optimizer, such as
                `{"learning_rate": "one_cycle", "weight_decay": cosine(0.1, 0.01)}`.
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

    @property
    def is_settled(self) -> bool:
        """Whether the kind of problem has been decided, be it that nobody can know it."""
        return self._problem is not None

    @property
    def kind(self) -> Kind | None:
        """The kind of problem; None while it is not known."""
        if self._problem is not None:
            return self._problem.kind
        return self._settings.told_kind if self._settings is not None else None

    def settle_from(self, batch: Any) -> None:
        """Decide the kind of problem by a batch, unless it was decided before."""
        if self._problem is None:
            self._problem = Problem.infer(self.settings, _targets_of(batch))

    def expected_metrics(self, *, validation: bool) -> tuple[str, ...] | None:
        """The names of the numbers that records are going to have; None while nobody can know."""
        if self._problem is None or type(self).training_step is not Steps.training_step:
            return None
        prefixes = ("train", "val") if validation else ("train",)
        names = [f"{prefix}_{name}" for prefix in prefixes for name in ("loss", *self._problem.metric_names)]
        return (*names, "train_seconds")

    def settle_as(self, kind: Kind) -> None:
        """Take the kind of problem from somebody who knows, unless it was decided before."""
        if self._problem is None and self._settings is not None:
            self._problem = Problem.infer(self._settings, None, kind)

    def build_schedules(self, total_steps: int | None, total_epochs: int) -> dict[str, schedules.Schedule]:
        """A schedule for each optimizer, from the rates that it had when it was made; none unless compile was told."""
        choice = self.settings.schedule
        if choice is None:
            return {}
        return {
            name: schedules.build(choice, optimizer, self._rates[name], total_steps, total_epochs)
            for name, optimizer in self.optimizers.items()
        }

    def _compile_as(self, settings: TrainingSettings) -> Self:
        self._settings = settings
        self.precision = Precision(settings.precision, self.device)
        made = self.configure_optimizers()
        self.optimizers = {"network": made} if isinstance(made, Optimizer) else dict(made)
        self._rates = {name: optimizer_values.rates_of(one) for name, one in self.optimizers.items()}
        kind = settings.told_kind
        self._problem = Problem.settle(settings, kind) if kind is not None else None
        return self


def _targets_of(batch: Any) -> Any:
    try:
        return split_batch(batch)[1]
    except ValueError:  # a batch of a shape that only the user's own step understands
        return None
