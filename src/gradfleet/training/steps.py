"""What a Model does with one batch: networks compiled for training, and every step that a subclass may override."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MethodType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn
from torch.optim import Optimizer

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError, unknown_name
from gradfleet.training import losses, metrics, optimizers, schedules
from gradfleet.training.batches.memory import MicroBatch
from gradfleet.training.loop import NO_FIT
from gradfleet.training.metrics.logged import Reduction
from gradfleet.training.networks import compilation
from gradfleet.training.precision import Precision, PrecisionName
from gradfleet.training.problem import Problem
from gradfleet.training.processes import processes
from gradfleet.training.settings import Strategy, TrainingSettings, network_problems
from gradfleet.training.step import Step, call, inputs_of, num_rows, split_batch

if TYPE_CHECKING:
    from gradfleet.training.context import FitState
    from gradfleet.training.loop import Loop
    from gradfleet.training.metrics.meter import Meter
    from gradfleet.training.sharding import Sharding

TrainingStep = Callable[[Any, Any], Step | torch.Tensor | None]
"""What may stand for `training_step`: a function of (model, batch)."""


class Steps:
    """The part of Model that knows one batch at a time; see Model."""

    network: nn.Module

    def __init__(
        self,
        network: nn.Module | Mapping[str, nn.Module],
        *,
        training_step: TrainingStep | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.networks = dict(network) if isinstance(network, Mapping) else {"network": network}
        if found := network_problems(self.networks):
            raise SettingError(found)
        self._team = processes()
        usual = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device or (usual if self._team is None else self._team.device))
        for one in self.networks.values():
            one.to(self.device)
        if len(self.networks) == 1:
            (self.network,) = self.networks.values()
        self._optimizers = optimizers.MadeOptimizers(dict)
        self.precision = Precision("fp32", self.device)
        self._settings: TrainingSettings | None = None
        self._problem: Problem | None = None
        self._loop: Loop | None = None
        self._last_fit: Mapping[str, Any] = NO_FIT
        self._pass: FitState | None = None
        self.micro_batch = MicroBatch()
        self.inference_batch = MicroBatch()
        self.sharding: Sharding | None = None
        if training_step is not None:
            self.training_step = MethodType(training_step, self)  # type: ignore[method-assign]

    def compile(
        self,
        loss: losses.LossChoice | None = None,
        *,
        optimizer: optimizers.OptimizerChoice | Mapping[str, optimizers.OptimizerChoice] = "adamw",
        learning_rate: float | Mapping[str, float] | None = None,
        optimizer_options: Mapping[str, Any] | None = None,
        metrics: metrics.MetricChoices | None = None,
        kind: Kind | None = None,
        precision: PrecisionName = "fp32",
        schedule: schedules.ScheduleChoice | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        torch_compile: bool | Mapping[str, Any] = False,
        channels_last: bool = False,
        strategy: Strategy = "ddp",
    ) -> Self:
        """Say how to train. What is left out follows from the kind of problem, which the data tells.

        Args:
            loss: a name (see `losses.LOSSES`), a class, or a function of (outputs, targets).
            optimizer: a name (see `optimizers.OPTIMIZERS`), a class or factory of (parameters, **options), or an
                instance. A dict gives each network its own, by name; a network that it leaves out is not trained.
            learning_rate: the default is the optimizer's own (see `optimizers.LEARNING_RATES`); a dict has one for
                each network.
            optimizer_options: further arguments of the optimizer, such as `{"momentum": 0.9}`; by the networks' names
                when `optimizer` is a dict.
            metrics: names, torchmetrics objects or classes, names of sklearn scorers, or functions of
                (outputs, targets); a dict gives them names. An empty list computes the loss alone.
            precision: of the network's computations; weights stay in float32.
            schedule: of the learning rate: a name (see `schedules.SCHEDULES`), a curve (see `curves`), a TorchSchedule,
                a class or a factory of (optimizer); or a dict with one for each value of the optimizer, such as
                `{"learning_rate": "one_cycle", "weight_decay": cosine(0.1, 0.01)}`.
            clip_norm: the largest norm that a network's gradients may have.
            clip_value: the largest amount that any one number of the gradients may have.
            accumulate: into how many parts a batch is split, to need less memory: their gradients are added up,
                weighted by rows, for one step of the optimizer. `batch_size` stays the rows of a step.
            torch_compile: whether `torch.compile` compiles the networks; a dict has its options. One that cannot be
                compiled runs as it is, with a warning.
            channels_last: whether images lie in memory with their channels last, which convolutions can be faster on.
            strategy: of several processes: "ddp" has the whole network in each; "fsdp" spreads weights, gradients and
                the optimizer's state over them, and checkpoints are whole all the same. Then every process calls
                `save`, and `predict` too. One process trains the same with both.

        Raises:
            SettingError: with every problem that there is.
        """
        settings = TrainingSettings(
            loss,
            optimizer,
            learning_rate,
            dict(optimizer_options or {}),
            metrics,
            kind,
            precision,
            schedule,
            clip_norm,
            clip_value,
            accumulate,
            torch_compile,
            channels_last,
            strategy,
        )
        if found := settings.network_problems(self.networks):
            raise SettingError(found)
        if len(self.networks) > 1 and isinstance(optimizer, Optimizer):
            raise SettingError("One optimizer cannot serve several networks; give its name, class or a factory.")
        return self._compile_as(settings)

    @property
    def optimizers(self) -> dict[str, Optimizer]:
        """Of each network that is trained, by its name; none before `compile`."""
        return self._optimizers.by_name

    @optimizers.setter
    def optimizers(self, made: Mapping[str, Optimizer]) -> None:
        self._optimizers = optimizers.MadeOptimizers(lambda: made, at_once=True)

    # What a subclass may override.

    def training_step(self, batch: Any) -> Step | torch.Tensor | None:
        """One batch forward: the loss to differentiate, with outputs and targets for the metrics."""
        inputs, targets = split_batch(batch)
        outputs = self.forward(inputs)
        return Step(self.compute_loss(outputs, targets), outputs, targets)

    def validation_step(self, batch: Any) -> Step | torch.Tensor | None:
        """One batch of held-out data, in eval mode and without gradients."""
        inputs, targets = split_batch(batch)
        outputs = call(self._only_network, inputs)
        return Step(self.problem.compute_loss(outputs, targets), outputs, targets)

    def predict_step(self, batch: Any) -> torch.Tensor:
        """The outputs of one batch, which may have targets or not."""
        outputs: torch.Tensor = call(self._only_network, inputs_of(batch))
        return outputs

    def configure_optimizers(self) -> Optimizer | Mapping[str, Optimizer]:
        """The optimizer of the only network, or one for each network by its name."""
        chosen = {name: self.settings.optimizer_of(name) for name in self.networks}
        return {
            name: optimizers.build(choice, self.networks[name], rate, options)
            for name, (choice, rate, options) in chosen.items()
            if choice is not None
        }

    def backward(self, loss: torch.Tensor, network: str | None = None) -> None:
        """Give parameters their gradients; in a training step's own hands, as often as it likes.

        Args:
            network: the only one whose parameters are to have them; others, through which the loss was computed, keep
                what they have.
        """
        if self._loop is not None:
            loss = self._loop.learner.begin_backward(loss)
        if not loss.requires_grad:
            raise SettingError(
                "The loss depends on no weight that is trained: all of them are frozen, or it was computed under "
                "no_grad or from a detached tensor."
            )
        wanted = None if network is None else [one for one in self._named(network).parameters() if one.requires_grad]
        self.precision.scale(loss).backward(inputs=wanted)  # type: ignore[no-untyped-call]

    def optimizer_step(self) -> None:
        """Move all weights; gradients are unscaled and clipped before, where the settings say so."""
        for optimizer in self.optimizers.values():
            self._move(optimizer)

    # What a step may use.

    def forward(self, inputs: Any) -> Any:
        """The network's outputs, shown to the callbacks that listen."""
        outputs = call(self._only_network, inputs)
        return outputs if self._loop is None else self._loop.learner.offer_outputs(outputs)

    def step(self, network: str | None = None) -> None:
        """Move the weights of one network, or of all, by their gradients, which are cleared then.

        For a `training_step` that works by hand, with `backward` before it, and for an `optimizer_step`. A training
        step that has called `backward` is left alone by the loop: a loss that it returns is recorded and no more.
        """
        learner = self._loop.learner if self._loop is not None else None
        names = list(self.optimizers) if network is None else [network]
        if found := [unknown_name("optimizer", name, self.optimizers) for name in names if name not in self.optimizers]:
            raise SettingError(found)
        if learner is not None and not learner.begin_step():
            return
        for name in names:
            self._move(self.optimizers[name])
            self.optimizers[name].zero_grad()
        if learner is not None:
            learner.end_step()

    def zero_grad(self, network: str | None = None) -> None:
        """Clear the gradients of one network, or of all; the loop does so before every batch."""
        for one in self.networks.values() if network is None else [self._named(network)]:
            one.zero_grad()

    def log(
        self,
        name: str,
        value: torch.Tensor | float,
        *,
        on_step: bool = False,
        on_epoch: bool = True,
        reduce: Reduction = "mean",
    ) -> None:
        """Record a number of a training or validation step, as `train_<name>` or `val_<name>`.

        Args:
            on_step: whether callbacks see this batch's value, as `context.logged`: Progress shows it, BatchHistory
                keeps it.
            on_epoch: whether it is part of the epoch's record.
            reduce: how the batches' values make the epoch's: "mean" (over rows), "sum", "min", "max" or "last".
        """
        over = self._pass
        if over is None or over.meter is None:  # the step was called outside any pass over data
            return
        if on_step:
            over.meter.logged.last[name] = value.detach() if isinstance(value, torch.Tensor) else value
        if on_epoch:
            over.meter.logged.add(name, value, num_rows(over.batch if over.part is None else over.part), reduce)

    def compute_loss(self, outputs: Any, targets: Any) -> torch.Tensor:
        """The loss of a batch, shown to the callbacks that listen."""
        loss = self.problem.compute_loss(outputs, targets)
        return loss if self._loop is None else self._loop.learner.offer_loss(loss)

    # What the loop and the checkpoints use.

    @contextmanager
    def passing(self, state: FitState, meter: Meter) -> Iterator[None]:
        """A pass over data, whose steps may log."""
        before, outer = self._pass, state.meter
        self._pass, state.meter = state, meter
        try:
            yield
        finally:
            self._pass, state.meter = before, outer

    @property
    def is_main(self) -> bool:
        """Whether this process, of those that train together, is the one that writes and prints."""
        return self._team is None or self._team.is_main

    def state(self) -> dict[str, Any]:
        """All tensors that training goes on from, and the state of the fit: `networks`, `optimizers`, `scaler`, `fit`.

        Of a sharded model the first process asks, and the others help it.
        """
        return self._state() if self.sharding is None else self.sharding.gather()

    def _state(self) -> dict[str, Any]:
        scaler = self.precision.scaler
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "scaler": scaler.state_dict() if scaler is not None else {},
            "fit": dict(self._loop.state() if self._loop is not None else self._last_fit),
        }

    def meet(self) -> None:
        """All processes here: until the first one is, the others help it to save, where the model is sharded."""
        if self.sharding is not None:
            self.sharding.meet()

    def put_weights(self, network: str, weights: Mapping[str, torch.Tensor]) -> None:
        """Load a network's whole state dict, or the part of it that this process holds."""
        one = self.networks[network]
        if self.sharding is not None:
            own = one.state_dict()
            weights = {key: self.sharding.part(value, own[key]) for key, value in weights.items()}
        one.load_state_dict(weights)

    def held_as(self, like: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """A whole tensor as the model holds another one: on its device, and in part where that is sharded."""
        return value.to(like.device) if self.sharding is None else self.sharding.part(value, like)

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
        if self._problem is None or any(_is_own(self, name) for name in _LOGGING):
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
            name: schedules.build(choice, optimizer, self._optimizers.rates[name], total_steps, total_epochs)
            for name, optimizer in self.optimizers.items()
        }

    @property
    def _only_network(self) -> nn.Module:
        try:
            return self.network
        except AttributeError:
            raise SettingError(
                f"This model has the networks {', '.join(self.networks)}; which to call its own steps alone can "
                "say: override training_step, and validation_step and predict_step where they are needed."
            ) from None

    def _named(self, network: str) -> nn.Module:
        if network not in self.networks:
            raise SettingError(unknown_name("network", network, self.networks))
        return self.networks[network]

    def _move(self, optimizer: Optimizer) -> None:
        self.precision.unscale(optimizer)
        norm, value = self.settings.clip_norm, self.settings.clip_value
        if norm is not None or value is not None:
            parameters = [one for group in optimizer.param_groups for one in group["params"]]
            if value is not None:
                nn.utils.clip_grad_value_(parameters, value)
            if norm is not None:
                nn.utils.clip_grad_norm_(parameters, norm)
        self.precision.step(optimizer)

    def _compile_as(self, settings: TrainingSettings) -> Self:
        self._settings = settings
        self.precision = Precision(settings.precision, self.device)
        for network in self.networks.values():
            compilation.call_plainly(network)
            if settings.channels_last:
                compilation.lay_out_channels_last(network)
            if settings.torch_compile is not False:
                options = settings.torch_compile if isinstance(settings.torch_compile, Mapping) else {}
                compilation.compile_network(network, options)
        if settings.strategy == "fsdp" and self._team is not None and self.sharding is None:
            from gradfleet.training.sharding import Sharding  # half a second to import

            self.sharding = Sharding(self.networks, self._team, self._state)
            self.micro_batch.whole_only = self.inference_batch.whole_only = True
        own = not settings.names_optimizers or _is_own(self, "configure_optimizers")
        empty = any(next(one.parameters(), None) is None for one in self.networks.values())
        at_once = own or empty or self.sharding is not None
        self._optimizers = optimizers.MadeOptimizers(self.configure_optimizers, at_once=at_once)
        kind = settings.told_kind
        self._problem = Problem.settle(settings, kind) if kind is not None else None
        return self


_LOGGING = ("training_step", "validation_step", "forward", "compute_loss", "backward", "optimizer_step")


def _is_own(model: Steps, name: str) -> bool:
    """Whether the user has put something else, which may log, in the place of a step."""
    return getattr(getattr(model, name), "__func__", None) is not getattr(Steps, name)


def _targets_of(batch: Any) -> Any:
    try:
        return split_batch(batch)[1]
    except ValueError:  # a batch of a shape that only the user's own step understands
        return None
