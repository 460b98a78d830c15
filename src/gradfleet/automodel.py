"""AutoModel: a recipe with open choices, searched into a study with a best model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from gradfleet.constraint import Constraint
from gradfleet.data.dataset import AutoDataset
from gradfleet.data.prepared import Kind
from gradfleet.errors import Problems, SettingError, SpaceError
from gradfleet.fitting import Fitting, Search
from gradfleet.fleet.addresses import is_service
from gradfleet.fleet.settings import SweepSettings
from gradfleet.goal import Aim, aim
from gradfleet.objective import Objective
from gradfleet.search.dimensions import Dimension
from gradfleet.search.grid import Grid
from gradfleet.search.narrowing import Narrowing, narrowed
from gradfleet.search.portfolio import Portfolio
from gradfleet.search.samplers import SamplerChoice
from gradfleet.search.space import SearchSpace
from gradfleet.search.tuner import Tuner
from gradfleet.study.driving.budget import Budget, count_problems, seconds
from gradfleet.study.driving.failures import GIVE_UP
from gradfleet.study.driving.opening import Opening, new_name
from gradfleet.study.driving.progress import SweepProgress
from gradfleet.study.places import artifacts_of
from gradfleet.study.schedulers.names import SchedulerChoice
from gradfleet.study.study import Study
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.losses import LossChoice
from gradfleet.training.metrics import MetricChoices
from gradfleet.training.precision import PrecisionName
from gradfleet.training.schedules import ScheduleChoice
from gradfleet.training.settings import Strategy, TrainingSettings
from gradfleet.trials.function_recipe import FunctionRecipe, TrainFunction
from gradfleet.trials.model_recipe import ModelRecipe
from gradfleet.trials.plan import Config
from gradfleet.trials.recipe import OpenRecipe
from gradfleet.trials.recipes import TaskReference
from gradfleet.trials.resources import Resources
from gradfleet.trials.tailoring import Tailor


class AutoModel:
    """Searches the open choices of a `Tuner` for the best model.

    Args:
        tuner: the registered architectures, optimizers and other dimensions.
        objective: the metric to optimize; `val_accuracy`, the larger the better, when not given. Several in a list
            give a Pareto front (`study.front`), of which the first objective decides what is the best.
        constraints: what a trial must keep, such as "latency_ms <= 20"; one that does not is never the best while
            another does. Records of Models always have `latency_ms`, `num_parameters` and `train_seconds`.
        reference: how another process finds this recipe again by name; presets have one. Without it the recipe is
            stored by value beside the study.

    Example:
        >>> tuner = Tuner()
        >>> tuner.architecture("mlp", make_mlp, width=Int(16, 256, log=True))  # doctest: +SKIP
        >>> model = AutoModel(tuner, objective=Objective("val_accuracy", "max"))
        >>> study = model.compile(loss="cross_entropy").fit((x, y), trials=20)  # doctest: +SKIP
    """

    def __init__(
        self,
        tuner: Tuner,
        *,
        objective: Objective | Sequence[Objective] | None = None,
        constraints: Constraint | str | Sequence[Constraint | str] = (),
        reference: TaskReference | None = None,
    ) -> None:
        self.tuner = tuner
        self.objective: Aim = aim(Objective("val_accuracy", "max") if objective is None else objective, constraints)
        self._reference = reference
        self._recipe: OpenRecipe | None = None
        self._space: SearchSpace | None = None
        self._narrowing: Mapping[str, Narrowing] = {}

    @classmethod
    def from_function(
        cls,
        train: TrainFunction,
        space: Tuner | SearchSpace | Mapping[str, Dimension],
        objective: Objective | Sequence[Objective],
        *,
        constraints: Constraint | str | Sequence[Constraint | str] = (),
    ) -> AutoModel:
        """Search with a training function of one's own: `train(config, report)`, see `trials.function_recipe`.

        Args:
            space: dimensions by name; a SearchSpace, whose entries may hang on others; or a Tuner, where the function
                is tuned by what one registers.
            objective, constraints: on what `report` is given; as for AutoModel.

        Raises:
            SettingError: `train` cannot be called, or `space` is none of these.
        """
        if not callable(train):
            raise SettingError(f"A training function is called as train(config, report), got {train!r}.")
        if not isinstance(space, Tuner | SearchSpace | Mapping):
            raise SpaceError(
                "A training function is searched over dimensions by name, such as {'x': Float(0, 1)}, a SearchSpace or "
                f"a Tuner; got {space!r}."
            )
        model = cls(space if isinstance(space, Tuner) else Tuner(), objective=objective, constraints=constraints)
        if isinstance(space, SearchSpace):
            model._space = space
        elif isinstance(space, Mapping):
            model._space = SearchSpace.of(space)
        model._recipe = FunctionRecipe(train)
        return model

    @classmethod
    def from_recipe(
        cls,
        recipe: OpenRecipe,
        tuner: Tuner,
        objective: Objective | Sequence[Objective],
        *,
        reference: TaskReference | None = None,
    ) -> AutoModel:
        """Search with a recipe of one's own, whose trials are trained and loaded in their own way.

        Args:
            tuner: what may vary; the recipe builds what a config names.
            objective: on what the recipe's records hold; as for AutoModel, and so is `reference`.
        """
        model = cls(tuner, objective=objective, reference=reference)
        model._recipe = recipe
        return model

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return narrowed(self._whole_space, self._narrowing)

    @property
    def narrowing(self) -> Mapping[str, Narrowing]:
        """What `narrow` was told, by dimension."""
        return dict(self._narrowing)

    @property
    def _whole_space(self) -> SearchSpace:
        """What was registered, before any narrowing."""
        return self.tuner.space() if self._space is None else self._space

    @property
    def recipe(self) -> OpenRecipe:
        """What trains one trial; made by `compile` or `from_function`, else of the defaults."""
        if self._recipe is None:
            self.compile()
        assert self._recipe is not None
        return self._recipe

    def narrow(self, changes: Mapping[str, Narrowing]) -> Self:
        """Search less: a value fixes a dimension, `{"low": ..., "high": ...}` or `{"choices": [...]}` leave some of it.

        Configurations of a portfolio that are then outside are left out.

        Raises:
            SpaceError: names that the space does not have, or values that are outside of it.
        """
        narrowing = {**self._narrowing, **changes}
        narrowed(self._whole_space, narrowing)
        self._narrowing = narrowing
        return self

    def compile(
        self,
        *,
        loss: LossChoice | None = None,
        metrics: MetricChoices | None = None,
        kind: Kind | None = None,
        precision: PrecisionName = "fp32",
        schedule: ScheduleChoice | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        torch_compile: bool | Mapping[str, Any] = False,
        channels_last: bool = False,
        strategy: Strategy = "ddp",
        batch_size: int = 32,
        callbacks: Sequence[Callable[[], Callback]] = (),
        calibrate: bool = False,
        steps_per_epoch: int | None = None,
    ) -> Self:
        """Fix what is not searched. A dimension of the tuner with the same name goes before what is given here.

        Args:
            batch_size: rows an optimizer step.
            callbacks: makers of callbacks, called once a trial; a class such as `EarlyStopping` is one.
            calibrate: keep with each checkpoint the temperature that makes its probabilities fit the validation data;
                `predict_proba` uses it, and nothing else does.
            steps_per_epoch: so many training batches in every epoch; with it, steps that take no data need none.
            Everything else is as for `Model.compile`.

        Raises:
            SettingError: with every name that is not known.
        """
        settings = TrainingSettings(
            loss=loss,
            metrics=metrics,
            kind=kind,
            precision=precision,
            schedule=schedule,
            clip_norm=clip_norm,
            clip_value=clip_value,
            accumulate=accumulate,
            torch_compile=torch_compile,
            channels_last=channels_last,
            strategy=strategy,
        )
        self._recipe = ModelRecipe(
            self.tuner,
            settings,
            batch_size=batch_size,
            callbacks=tuple(callbacks),
            calibrate=calibrate,
            steps_per_epoch=steps_per_epoch,
        )
        return self

    def fit(
        self,
        data: AutoDataset | str | Path | tuple[Any, Any] | None = None,
        *,
        trials: int | None = None,
        budget: str | float | None = None,
        target: float | None = None,
        patience: int | None = None,
        epochs: int = 10,
        sampler: SamplerChoice = "auto",
        scheduler: SchedulerChoice = "asha",
        portfolio: Sequence[Config] = (),
        tailor: Tailor | None = None,
        warm_start: bool = True,
        resources: Resources | None = None,
        cluster: str | None = None,
        name: str | None = None,
        store: str | Path | None = None,
        artifacts: str | None = None,
        resume: bool = False,
        retry_failed: bool = False,
        extend: bool = False,
        seed: int = 0,
        keep: int = 5,
        repeats: int = 1,
        folds: int | None = None,
        keep_predictions: bool = True,
        stall: str | float | None = None,
        give_up: int | None = GIVE_UP,
        progress: bool = True,
        wait: bool = True,
    ) -> Study:
        """Search until the first limit is reached; the study holds every trial and the best model.

        Trial 0 is the default configuration. With neither `trials` nor `budget`, the search ends after 10 minutes,
        100 trials, or 20 trials without a better one. Ctrl-C starts no new trials; a second one stops at once.

        Args:
            data: what `AutoDataset` takes; None when a training function brings its own, or steps take none.
            trials: how many in all, the default configuration included.
            budget: wall time of this call, such as "10m"; at most 2 s or 5% more, whichever is longer.
            target: stop when a record's objective is at least as good.
            patience: stop after so many trials without a better one.
            epochs: of one trial at most; a training function's next report after them ends it.
            sampler: "auto", which is "curves" for one objective and "tpe" for several or with constraints; "gp",
                "cmaes", "nsga2", "random"; "grid" tries everything there is and then ends; or a sampler of Optuna's.
                "curves" models the final score of a configuration, also from trials that were stopped early.
            scheduler: who is stopped early: "asha", "hyperband", "median" or "none"; or a value of
                `gradfleet.study.schedulers` with its settings, such as `Asha(grace=2)`.
            portfolio: configurations to try after the default one; what one leaves out is filled with defaults.
            tailor: what changes space, epochs and portfolio once data and time are known, see `trials.tailoring`; a
                study that is gone on with keeps what was decided for it.
            warm_start: try after those the best configurations of earlier studies of the same store, after the same
                objective on the same or similar data, or with the same training function; see
                `gradfleet.study.driving.warm_start`. What was taken is said, and kept with the study.
            resources: of one trial; when not given one CPU core, and one GPU where there is any.
            cluster: None runs on this machine; "auto" on the Ray cluster this machine is part of; "inline" in this
                process, one trial after the other and without Ray; "http://head:8265" sends the sweep to a remote Ray
                cluster as a job, which goes on when this process ends, and "ray://head:10001" asks there for that
                address. The store and the artifacts are then such that the cluster sees them too.
            name: of the study; one is made and said when not given.
            store: a SQLite path or a database URL; `gradfleet.db` in the working folder when not given.
            artifacts: an fsspec URL for checkpoints; `gradfleet-artifacts/` beside the SQLite file when not given.
            resume: go on with the study of that name if it exists; without it an existing name is an error, unless
                that study has no record of any trial and nobody drives it: such a one is begun anew, also where it
                was made from something else. Trials that its end cut off before their first record run again.
            retry_failed: let those that failed run again too, from their last checkpoint.
            extend: go on with the study of that name under this space, which may be another: new dimensions, choices
                and builders, ranges moved. Its trials stay and are learned from, with the new dimensions at their
                defaults; those out of a narrowed range are left out of that.
            keep: how many of the best trials keep their checkpoint, beside the default configuration's.
            keep_predictions: keep what a Model says of the validation rows beside its checkpoint, for `study.ensemble`;
                of more than 4 million numbers nothing is kept in any case.
            stall: a trial on a cluster that reports no record for so long counts as hanging: it fails, and its worker
                is replaced. When not given 20 times the longest wait that this sweep has seen, and 10 minutes at least.
            give_up: end the search when so many trials, its first ones, have all failed of the same cause; None tries
                on whatever fails.
            repeats: train each configuration so often, with other seeds; the objective is the mean.
            folds: train each configuration on so many folds of the data, each validated on the rows that the others
                train on; the objective is the mean. A trial has `epochs` a run, and its model is that of its last run.
            progress: show the sweep on stderr.
            wait: False returns at once, with the study as a handle: a process of its own, or the remote cluster,
                drives the sweep, also when this one has ended. `study.wait()`, `pause()`, `resume()`, `stop()`,
                `cancel()`, `logs()`; its budget counts from this call.

        Raises:
            SettingError: with everything that cannot be; DataError for the data; nothing was started then.
            StudyMismatchError: the study to resume is of other data, another space or objective.
            LeaseHeldError: another driver works on the study.
            NoUsableTrialError: every trial failed.
        """
        started = time.time()
        if is_service(cluster):
            raise SettingError(
                f"{cluster} runs tasks by their names and takes no code: for a task call its own fit, such as that of "
                "AutoImageClassifier. Or install this recipe where the service runs, allow it there with `gradfleet "
                "serve --allow-recipe package.module:function`, and name it in a sweep file; or send the search to the "
                "Ray cluster itself: cluster='http://head:8265'."
            )
        named = name or new_name(self._reference.task if self._reference else "study")
        opening = Opening(name=named, store=store, resume=resume, extend=extend, warm_start=warm_start)
        problems, limits, objective = Problems(), Budget(), self.objective
        with problems:
            if missing := self.recipe.missing(has_data=data is not None):
                raise SettingError(missing)
            portfolio = Portfolio.of(self._whole_space, portfolio).within(self.space).configs
        with problems:
            ends = sampler == "grid"  # by itself, so that no limit has to be made up
            limits = Budget.of(trials=trials, budget=budget, target=target, patience=patience, endless=not ends)
        with problems:
            objective = self._repeated_objective(repeats, folds)
        silence = None
        with problems:
            silence = None if stall is None else seconds(stall, what="stall")
        with problems:
            settings = SweepSettings(
                objective=objective,
                budget=limits,
                epochs=epochs,
                sampler=sampler,
                scheduler=scheduler,
                portfolio=portfolio,
                resources=resources or Resources(),
                cluster=cluster,
                seed=seed,
                keep=keep,
                keep_predictions=keep_predictions,
                retry_failed=retry_failed,
                stall=silence,
                give_up=give_up,
            )
        with problems:
            opening.check()
        with problems:
            if sampler == "grid":
                Grid(self.space)
        problems.refuse()
        settings.check_cluster()
        fitting = Fitting(
            search=Search(self.recipe, self._whole_space, self._narrowing, self._reference),
            settings=settings,
            opening=opening,
            artifacts=artifacts_of(store, artifacts),
            repeats=repeats,
            folds=folds,
            tailor=tailor,
            started=started,
            view=SweepProgress(named, settings.objective, limits, shown=progress),
        )
        return fitting.run(data, wait=wait)

    def _repeated_objective(self, repeats: int, folds: int | None) -> Aim:
        """What the search is after, with as many runs a trial as repeats and folds make."""
        problems = count_problems("repeats", repeats)
        if folds is not None and count_problems("folds", folds, least=2):
            problems.append(
                f"folds is a whole number of at least 2, or None for the data's own validation part; got {folds!r}."
            )
        if folds is not None and self.recipe.brings_data:
            problems.append("A training function brings its own data, so it makes its own folds; repeats= is for both.")
        if problems:
            raise SettingError(problems)
        return aim(self.objective.objectives, self.objective.constraints, num_runs=repeats * (folds or 1))
