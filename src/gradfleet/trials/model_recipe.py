"""A recipe from a Model with open choices: a config fixes them, the loop trains it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradfleet.data.examples import ArrayExamples
from gradfleet.data.feature_cache import FeatureCache
from gradfleet.data.prepared import DataFacts
from gradfleet.errors import DataError, Problems
from gradfleet.objective import CALIBRATED_LOSS
from gradfleet.search.optimizers import OptimizerChoice
from gradfleet.search.tuner import SETTINGS, Tuner
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.callbacks.time_limit import TimeLimit
from gradfleet.training.callbacks.tracker import Run, Tracker
from gradfleet.training.data_network import DataNetwork
from gradfleet.training.history import EpochRecord
from gradfleet.training.model import Model
from gradfleet.training.optimizers.layer_rates import LayerRates
from gradfleet.training.problem import Problem
from gradfleet.training.settings import TrainingSettings
from gradfleet.training.state import saving
from gradfleet.training.state.checkpoint import read_extra
from gradfleet.training.state.seeding import seed_everything
from gradfleet.training.temperature import CALIBRATED, Calibration, TemperatureScaling, fit_temperature
from gradfleet.trials import checkpoints
from gradfleet.trials.bare_predictor import BarePredictor
from gradfleet.trials.compiling import compile_as_chosen
from gradfleet.trials.costs import COSTS, costs
from gradfleet.trials.held_out import KeepHeldOut
from gradfleet.trials.own_epochs import OWN_EPOCHS, OwnEpochs
from gradfleet.trials.plan import Config, TrialPlan
from gradfleet.trials.predictor import ModelPredictor
from gradfleet.trials.recipe import Report
from gradfleet.trials.setting_dimensions import setting_problems
from gradfleet.trials.sources import digest_of

CHECKPOINT_EVERY = 10.0
"""Seconds after which a trial that does not improve writes a checkpoint all the same, to be resumed from."""

EPOCH_PART = "epoch_part"
"""The metric of a record whose epoch a time budget cut short: how much of its training was done, below 1."""

_DEFAULTS = {one.name: getattr(TrainingSettings(), one.name) for one in fields(TrainingSettings)}


@dataclass(frozen=True)
class ModelRecipe:
    """Builds the network that a config names, compiles a Model with the rest of the config, and trains that.

    Attributes:
        tuner: the registered builders, looked up by the names in a config.
        settings: what the config leaves open.
        batch_size: rows a step of the optimizer, when no dimension is called so.
        callbacks: each is called once a trial and makes its callback.
        calibrate: whether a checkpoint keeps the temperature that makes its probabilities fit the validation data.
        steps_per_epoch: what `Model.fit` calls so; needed by steps that take no data.
    """

    tuner: Tuner
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    batch_size: int = 32
    callbacks: tuple[Callable[[], Callback], ...] = ()
    calibrate: bool = False
    steps_per_epoch: int | None = None

    def run(self, plan: TrialPlan, report: Report) -> None:
        data = None if plan.data is None else plan.data.open()
        facts = None if data is None else data.facts
        seed_everything(plan.seed)
        started = time.perf_counter()
        network, epochs = self.tuner.build_network(plan.config, facts), OwnEpochs(plan.epochs, plan.epochs)
        extra: dict[str, Any] = {"config": dict(plan.config), "facts": None if facts is None else facts.to_json()}
        train, validation = (None, None) if data is None else (data.train, data.validation)
        if isinstance(network, DataNetwork):
            rows = _examples(train)
            assert plan.data is not None, "there are rows"
            cache = FeatureCache.of(plan.data)
            network.start(rows, cache)
            extra["learned"] = network.learned()
            epochs = OwnEpochs.of(network, rows, plan)
            extra |= {OWN_EPOCHS: epochs.number}
            if network.fitted_at_once or epochs.number == 0:
                measured = network.measured_on(_examples(validation), "validation", cache)
                model = self._compiled(network, plan.config, facts)
                self._report_at_once(plan, model, measured, extra, time.perf_counter() - started, report)
                return
            train, validation = network.learns_from(rows, cache), network.seen(_examples(validation))
        self._train(plan, self._compiled(network, plan.config, facts), (train, validation), epochs, extra, report)

    def _train(
        self,
        plan: TrialPlan,
        model: Model,
        data: tuple[Any, Any],
        own: OwnEpochs,
        extra: dict[str, Any],
        report: Report,
    ) -> None:
        model.micro_batch.rows = plan.micro_batch
        scaling = TemperatureScaling() if self.calibrate else None
        held_out = KeepHeldOut() if plan.keep_predictions and plan.checkpoints is not None else None
        keeper = _Keeper(plan, extra=extra, scaling=scaling, held_out=held_out)
        limits = [] if plan.deadline is None else [TimeLimit(plan.deadline)]
        start = None if plan.resume is None else checkpoints.fetch(plan.resume)
        epochs = model.epochs(
            *data,
            epochs=own.number,
            batch_size=self._batch_size(plan.config),
            callbacks=[*self._callbacks(plan), *limits, *(one for one in (scaling, held_out) if one is not None)],
            seed=plan.seed,
            resume=None if plan.inherits else start,
            inherit=start if plan.inherits else None,
            steps_per_epoch=self.steps_per_epoch,
        )
        measured: dict[str, float] = {}
        with closing(epochs):  # a trial that is stopped ends its fit too: trackers are closed, listeners told
            for record in epochs:
                measured = measured or costs(model, data[1])
                part = min((limit.part for limit in limits if limit.part is not None), default=1.0)
                metrics = {**measured, **own.said, **({EPOCH_PART: part} if part < 1 else {}), **record.metrics}
                metrics |= {} if scaling is None else _calibrated(scaling.calibration)
                epoch = own.place(record.epoch)
                report(replace(record, epoch=epoch, metrics=metrics), keeper.keep(model, epoch, metrics))

    def _report_at_once(
        self,
        plan: TrialPlan,
        model: Model,
        validation: ArrayExamples,
        extra: dict[str, Any],
        seconds: float,
        report: Report,
    ) -> None:
        """The one record of a network that has learned all it can: as after its last epoch, so that it is complete."""
        measured = model.evaluate(validation, batch_size=self._batch_size(plan.config))
        metrics = {f"val_{name}": value for name, value in measured.items()}
        metrics |= {"train_seconds": seconds, **costs(model, validation)}
        if self.calibrate:
            assert isinstance(validation.targets, torch.Tensor), "texts have no probabilities"
            outputs = model.predict(validation, batch_size=self._batch_size(plan.config))
            done = model.problem.outputs_are_probabilities
            calibration = fit_temperature(outputs, validation.targets, model.kind, are_probabilities=done)
            extra["temperature"] = calibration.temperature
            metrics |= _calibrated(calibration)
        report(EpochRecord(plan.epochs, metrics), _Keeper(plan, extra=extra).keep(model, plan.epochs, metrics))

    def load(self, checkpoint: Path) -> ModelPredictor | BarePredictor:
        """The predictor of a checkpoint that `run` wrote; only this recipe's own builders are called."""
        extra = read_extra(checkpoint)
        facts = None if extra["facts"] is None else DataFacts.from_json(extra["facts"])
        config: Config = extra["config"]
        network = self.tuner.build_network(config, facts)
        if isinstance(network, DataNetwork):
            network.restore(extra["learned"])
        model = self._compiled(network, config, facts)
        saving.load(model, checkpoint)
        if facts is None:
            return BarePredictor(model)
        temperature = extra.get("temperature", 1.0)
        return ModelPredictor(model, facts, batch_size=self._batch_size(config), temperature=temperature)

    def build(self, config: Config, facts: DataFacts | None) -> Model:
        """The untrained, compiled Model of a config.

        A subclass may have a `compile` of its own: it is given what was chosen, by the config or by this recipe.

        Raises:
            SettingError: the config and the settings together cannot be, or are more than the Model's `compile` takes.
        """
        return self._compiled(self.tuner.build_network(config, facts), config, facts)

    def _compiled(self, built: Any, config: Config, facts: DataFacts | None) -> Model:
        model = built if isinstance(built, Model) else Model(built)
        kind = self.settings.kind or (None if facts is None else facts.kind)
        compile_as_chosen(model, self._chosen(config), kind)
        return model

    @property
    def brings_data(self) -> bool:
        return False

    def missing(self, *, has_data: bool) -> list[str]:
        found = Problems()
        if not has_data and self.steps_per_epoch is None:
            found.append(
                "A search of Models needs data: a path, a pair (inputs, targets) or an AutoDataset; or, where their "
                "steps take none, compile(steps_per_epoch=...)."
            )
        if not any(name.startswith("architecture.") for name in self.tuner.builders()):
            found.append("The Tuner has no architecture: register one with tuner.architecture(name, builder, ...).")
        with found:
            found.extend(setting_problems(self.tuner.space()))
        return found

    def functions(self) -> list[Callable[..., Any]]:
        """Builders and makers of callbacks."""
        return [*self.tuner.builders().values(), *self.callbacks]

    def identity(self) -> dict[str, Any]:
        """The settings, and each builder's digest by its name."""
        builders = {name: digest_of(make) for name, make in self.tuner.builders().items()}
        steps = {} if self.steps_per_epoch is None else {"steps_per_epoch": self.steps_per_epoch}
        return {"settings": self.settings.to_json(), "batch_size": self.batch_size, **steps, **builders}

    def record_names(self, facts: DataFacts) -> tuple[str, ...] | None:
        """The metrics that every record will have; None where an architecture is a Model, which logs what it likes."""
        try:
            with torch.device("meta"):  # neither time nor memory, however large the network is
                built = self.tuner.build_network(self.tuner.space().default(), facts)
        except Exception:  # a Model cannot be made there, nor can pretrained weights; what is broken, its trial says
            return None
        if not isinstance(built, nn.Module):
            return None
        kind = self.settings.kind or facts.kind
        metrics = ("loss", *Problem.settle(self.settings, kind).metric_names)
        calibrated = (CALIBRATED_LOSS,) if self.calibrate and kind in CALIBRATED else ()
        return (
            *(f"{part}_{name}" for part in ("train", "val") for name in metrics),
            *calibrated,
            "train_seconds",
            *COSTS,
        )

    def _chosen(self, config: Config) -> dict[str, Any]:
        """What the config says of compile, and what this recipe says of it beside the defaults."""
        fixed = {one.name: getattr(self.settings, one.name) for one in fields(self.settings)}
        chosen = {name: value for name, value in fixed.items() if value is not None and value != _DEFAULTS[name]}
        chosen |= {name: config[name] for name in SETTINGS if name in config and name in fixed}
        chosen |= _optimizers(self.tuner.optimizer_choices(config))
        decay = self.tuner.setting(config, "layer_decay")
        if decay is not None:
            chosen["optimizer"] = LayerRates(chosen.get("optimizer", "adamw"), decay=decay)
        return chosen

    def _batch_size(self, config: Config) -> int:
        return int(self.tuner.setting(config, "batch_size", self.batch_size))

    def _callbacks(self, plan: TrialPlan) -> list[Callback]:
        name = f"trial-{plan.number}" if plan.run is None else f"trial-{plan.number}-run-{plan.run}"
        callbacks = [*(make() for make in self.callbacks), *self.tuner.callbacks(plan.config)]
        for callback in callbacks:
            if isinstance(callback, Tracker):
                callback.run = Run(group=plan.study, name=name, config=plan.config)
        return callbacks


def _examples(part: Any) -> ArrayExamples:
    if not isinstance(part, ArrayExamples):
        raise DataError(
            f"A network that looks at its data before it trains needs prepared rows, got a {type(part).__name__}. "
            "Give AutoDataset arrays, a table or a path instead."
        )
    return part


def _optimizers(choices: Sequence[OptimizerChoice]) -> dict[str, Any]:
    """The settings that a config's optimizers are: one for all networks, or by the network's name."""
    settings: dict[str, dict[str | None, Any]] = {
        "optimizer": {one.network: one.factory or one.name for one in choices},
        "optimizer_options": {one.network: one.options for one in choices if one.options},
        "learning_rate": {one.network: one.learning_rate for one in choices if one.learning_rate is not None},
    }
    # The key None is the one optimizer of all networks.
    return {name: values.get(None, values) for name, values in settings.items() if values}


def _calibrated(calibration: Calibration) -> dict[str, float]:
    return {} if calibration.loss is None else {CALIBRATED_LOSS: calibration.loss}


class _Keeper:
    """Decides which epochs of a trial get a checkpoint: each best one, and one every few seconds."""

    def __init__(
        self,
        plan: TrialPlan,
        *,
        extra: Mapping[str, Any],
        scaling: TemperatureScaling | None = None,
        held_out: KeepHeldOut | None = None,
    ) -> None:
        self._plan = plan
        self._scaling = scaling
        self._held_out = held_out
        self._extra = extra
        self._best = plan.best
        self._written = time.monotonic()

    def keep(self, model: Model, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Write the epoch's checkpoint when it is needed; its address, or None."""
        address = self._kept(model, epoch, metrics)
        model.meet()  # before the others report and wait, they have helped the first one to save
        return address

    def _kept(self, model: Model, epoch: int, metrics: Mapping[str, float]) -> str | None:
        if self._plan.checkpoints is None:
            return None
        rank = self._plan.objective.rank(metrics)
        is_best = self._best is None or rank < self._best
        is_due = epoch in self._plan.milestones or time.monotonic() - self._written >= CHECKPOINT_EVERY
        if not (is_best or is_due):
            return None
        if is_best:
            self._best = rank
        address = checkpoints.epoch_address(self._plan.checkpoints, epoch)
        if model.is_main:
            checkpoints.write(address, partial(self._save, model, is_best=is_best))
        self._written = time.monotonic()
        return address

    def _save(self, model: Model, folder: Path, *, is_best: bool) -> None:
        temperature = {} if self._scaling is None else {"temperature": self._scaling.calibration.temperature}
        model.save(folder, extra={**self._extra, **temperature})
        found = self._held_out.found if is_best and self._held_out is not None else None
        if found is not None:
            found.write(folder)
