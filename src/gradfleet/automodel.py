"""AutoModel: a recipe with open choices, searched into a study with a best model."""

from __future__ import annotations

import hashlib
import inspect
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Self

from gradfleet.constraint import Constraint
from gradfleet.data.dataset import AutoDataset
from gradfleet.data.prepared import DataRef, Kind
from gradfleet.errors import Problems, SettingError, unknown_name
from gradfleet.fleet.driver import Order, begin
from gradfleet.fleet.sweep import SweepSettings, run_sweep
from gradfleet.goal import Aim, aim
from gradfleet.objective import Objective
from gradfleet.search.dimensions import Dimension
from gradfleet.search.grid import Grid
from gradfleet.search.narrowing import Narrowing, narrowed
from gradfleet.search.portfolio import Portfolio
from gradfleet.search.samplers import SamplerChoice
from gradfleet.search.space import Entry, SearchSpace
from gradfleet.search.tuner import Tuner
from gradfleet.study.budget import Budget, seconds
from gradfleet.study.lease import Lease
from gradfleet.study.places import artifacts_of, prepared_folder
from gradfleet.study.preflight import check_study
from gradfleet.study.progress import SweepProgress
from gradfleet.study.rows import StudyRow
from gradfleet.study.schedulers.names import SchedulerChoice
from gradfleet.study.store import Store
from gradfleet.study.study import Study
from gradfleet.study.warm_start import said, taken_over
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.losses import LossChoice
from gradfleet.training.metrics import MetricChoices
from gradfleet.training.precision import PrecisionName
from gradfleet.training.schedules import ScheduleChoice
from gradfleet.training.settings import TrainingSettings
from gradfleet.trials.function_recipe import FunctionRecipe, TrainFunction
from gradfleet.trials.model_recipe import ModelRecipe
from gradfleet.trials.plan import Config
from gradfleet.trials.recipe import Recipe
from gradfleet.trials.recipes import TaskReference, by_value, pickle_reference, store_recipe
from gradfleet.trials.repeated import names_of_means
from gradfleet.trials.resources import Resources
from gradfleet.trials.sources import sources_of


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
        constraints: Sequence[Constraint | str] = (),
        reference: TaskReference | None = None,
    ) -> None:
        self.tuner = tuner
        self.objective: Aim = aim(Objective("val_accuracy", "max") if objective is None else objective, constraints)
        self._reference = reference
        self._recipe: Recipe | None = None
        self._space: SearchSpace | None = None
        self._narrowing: Mapping[str, Narrowing] = {}

    @classmethod
    def from_function(
        cls,
        train: TrainFunction,
        space: Tuner | SearchSpace | Mapping[str, Dimension],
        objective: Objective | Sequence[Objective],
        *,
        constraints: Sequence[Constraint | str] = (),
    ) -> AutoModel:
        """Search with a training function of one's own: `train(config, report)`, see `trials.function_recipe`.

        Args:
            space: a Tuner, a SearchSpace, or dimensions by name.
            objective, constraints: on what `report` is given; as for AutoModel.
        """
        model = cls(space if isinstance(space, Tuner) else Tuner(), objective=objective, constraints=constraints)
        if isinstance(space, SearchSpace):
            model._space = space
        elif isinstance(space, Mapping):
            model._space = SearchSpace(tuple(Entry(name, dimension) for name, dimension in space.items()))
        model._recipe = FunctionRecipe(train)
        return model

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return narrowed(self._whole_space, self._narrowing)

    @property
    def _whole_space(self) -> SearchSpace:
        """What was registered, before any narrowing."""
        return self.tuner.space() if self._space is None else self._space

    @property
    def recipe(self) -> Recipe:
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
        batch_size: int = 32,
        callbacks: Sequence[Callable[[], Callback]] = (),
    ) -> Self:
        """Fix what is not searched. A dimension of the tuner with the same name goes before what is given here.

        Args:
            batch_size: rows an optimizer step.
            callbacks: makers of callbacks, called once a trial; a class such as `EarlyStopping` is one.
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
        )
        self._recipe = ModelRecipe(self.tuner, settings, batch_size=batch_size, callbacks=tuple(callbacks))
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
        sampler: SamplerChoice = "tpe",
        scheduler: SchedulerChoice = "asha",
        portfolio: Sequence[Config] = (),
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
        stall: str | float | None = None,
        progress: bool = True,
        wait: bool = True,
    ) -> Study:
        """Search until the first limit is reached; the study holds every trial and the best model.

        Trial 0 is the default configuration. With neither `trials` nor `budget`, the search ends after 10 minutes,
        100 trials, or 20 trials without a better one. Ctrl-C starts no new trials; a second one stops at once.

        Args:
            data: what `AutoDataset` takes; None when a training function brings its own.
            trials: how many in all, the default configuration included.
            budget: wall time of this call, such as "10m".
            target: stop when a record's objective is at least as good.
            patience: stop after so many trials without a better one.
            epochs: of one trial at most.
            sampler: "tpe", "gp", "cmaes", "nsga2", "random"; "grid" tries everything there is and then ends; or a
                sampler of Optuna's.
            scheduler: who is stopped early: "asha", "hyperband", "median" or "none"; or a value of
                `gradfleet.study.schedulers` with its settings, such as `Asha(grace=2)`.
            portfolio: configurations to try after the default one.
            warm_start: try after those the best configurations of earlier studies of the same store, after the same
                objective on the same or similar data, or with the same training function; see
                `gradfleet.study.warm_start`. What was taken is said, and kept with the study.
            resources: of one trial; when not given one CPU core, and one GPU where there is any.
            cluster: None runs on this machine; "auto" on the Ray cluster this machine is part of; "inline" in this
                process, one trial after the other and without Ray.
            name: of the study; one is made and said when not given.
            store: a SQLite path or a database URL; `gradfleet.db` in the working folder when not given.
            artifacts: an fsspec URL for checkpoints; `gradfleet-artifacts/` beside the SQLite file when not given.
            resume: go on with the study of that name if it exists; without it an existing name is an error.
                Trials that its end cut off before their first record run again.
            retry_failed: let those that failed run again too, from their last checkpoint.
            extend: go on with the study of that name under this space, which may be another: new dimensions, choices
                and builders, ranges moved. Its trials stay and are learned from, with the new dimensions at their
                defaults; those out of a narrowed range are left out of that.
            keep: how many of the best trials keep their checkpoint, beside the default configuration's.
            stall: a trial on a cluster that reports no record for so long counts as hanging: it fails, and its worker
                is replaced. When not given 20 times the longest wait that this sweep has seen, and 10 minutes at least.
            repeats: train each configuration so often, with other seeds; the objective is the mean.
            folds: train each configuration on so many folds of the data, each validated on the rows that the others
                train on; the objective is the mean. A trial has `epochs` a run, and its model is that of its last run.
            progress: show the sweep on stderr.
            wait: False returns at once, with the study as a handle: a process of its own drives the sweep, also when
                this one has ended. `study.wait()`, `pause()`, `resume()`, `stop()`, `cancel()`; its budget counts
                from this call.

        Raises:
            SettingError: with everything that cannot be; DataError for the data; nothing was started then.
            StudyMismatchError: the study to resume is of other data, another space or objective.
            LeaseHeldError: another driver works on the study.
            NoUsableTrialError: every trial failed.
        """
        started = time.time()
        name = name or _new_name(self._reference)
        problems, limits = Problems(), Budget()
        with problems:
            self._refuse_what_is_missing(data)
            portfolio = Portfolio.of(self._whole_space, portfolio).within(self.space).configs
        with problems:
            ends = sampler == "grid"  # by itself, so that no limit has to be made up
            limits = Budget.of(trials=trials, budget=budget, target=target, patience=patience, endless=not ends)
        objective = self.objective
        with problems:
            objective = self._repeated_objective(repeats, folds)
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
                retry_failed=retry_failed,
                stall=None if stall is None else seconds(stall, what="stall"),
            )
        with problems:
            check_study(store, name, resume=resume or extend)
        with problems:
            if sampler == "grid":
                Grid(self.space)
        problems.refuse()
        view = SweepProgress(name, settings.objective, settings.budget, shown=progress)
        space = self.space
        where = artifacts_of(store, artifacts)
        parts = () if data is None else self._prepare(data, where, objective, seed=seed, folds=folds, say=view.say)
        executor = settings.executor() if wait else None
        opened = Store.open(store)
        try:
            runs = {"repeats": repeats, "folds": [asdict(part) for part in parts] if folds else []}
            prepared = parts[-1] if parts else None  # the data of the run whose model is kept
            study = self._study(
                opened,
                name,
                space,
                settings,
                where,
                prepared,
                runs,
                resume=resume or extend,
                extend=extend,
                warm_start=warm_start,
            )
            opened.database.outage.say = view.say
            if executor is None:
                return self._hand_over(opened, study, space, settings, prepared, started=started, say=view.say)
            view.say(f"Study {name!r} in {opened.url}, until {settings.budget}.")
            if taken := study.spec["search"].get("warm_start"):
                view.say(said(taken))
            return run_sweep(
                self.recipe,
                space,
                settings,
                executor,
                store=opened,
                study=study,
                data=prepared,
                started=started,
                view=view,
            )
        except BaseException:
            opened.close()
            raise

    def _hand_over(
        self,
        store: Store,
        study: StudyRow,
        space: SearchSpace,
        settings: SweepSettings,
        data: DataRef | None,
        *,
        started: float,
        say: Callable[[str], None],
    ) -> Study:
        """Have a process of its own drive the study."""
        url = store.database.url.render_as_string(hide_password=False)
        order = Order(
            study=study.name,
            store=url,
            recipe=self.recipe,
            space=space,
            settings=settings,
            data=data,
            started=started,
        )
        handle = Study(store, study, recipe=self.recipe)
        pid = begin(order, store, study, log=handle.log)
        say(f"Study {study.name!r} in {store.url} is driven by process {pid}, until {settings.budget}.")
        return handle

    def _refuse_what_is_missing(self, data: object) -> None:
        if not isinstance(self.recipe, ModelRecipe):
            return
        missing = []
        if data is None:
            missing.append("A search of Models needs data: a path, a pair (inputs, targets) or an AutoDataset.")
        if "architecture" not in self.space.names:
            missing.append("The Tuner has no architecture: register one with tuner.architecture(name, builder, ...).")
        if missing:
            raise SettingError(missing)

    def _repeated_objective(self, repeats: int, folds: int | None) -> Aim:
        """What the search is after, with as many runs a trial as repeats and folds make."""
        problems = [f"repeats is at least 1, got {repeats}."] if repeats < 1 else []
        if folds is not None and folds < 2:
            problems.append(f"folds is at least 2, or None for the data's own validation part; got {folds}.")
        if folds is not None and isinstance(self.recipe, FunctionRecipe):
            problems.append("A training function brings its own data, so it makes its own folds; repeats= is for both.")
        if problems:
            raise SettingError(problems)
        return aim(self.objective.objectives, self.objective.constraints, num_runs=repeats * (folds or 1))

    def _prepare(
        self,
        data: Any,
        artifacts: str,
        objective: Aim,
        *,
        seed: int,
        folds: int | None,
        say: Callable[[str], None],
    ) -> tuple[DataRef, ...]:
        """Check, split and prepare the data, each fold of it; and the objective against what its records will hold."""
        dataset = data if isinstance(data, AutoDataset) else AutoDataset(data, seed=seed)
        parts = (dataset,) if folds is None else dataset.folds(folds)
        prepared = tuple(part.prepare(prepared_folder(artifacts)) for part in parts)
        for note in parts[-1].notes:
            say(note)
        if isinstance(self.recipe, ModelRecipe):
            names = self.recipe.record_names(prepared[-1].open().facts)
            if names is not None and objective.num_runs > 1:
                names = names_of_means(names, objective)
            missing = [] if names is None else [name for name in objective.metrics if name not in names]
            if names is not None and missing:
                raise SettingError([unknown_name("metric in the records", name, names) for name in missing])
        return prepared

    def _training(self) -> dict[str, Any]:
        """What trains a trial beside its config, as far as it can be compared: settings, and the builders' source."""
        if isinstance(self.recipe, ModelRecipe):
            builders = {name: _source(make) for name, make in self.tuner.builders().items()}
            return {"settings": self.recipe.settings.to_json(), "batch_size": self.recipe.batch_size, **builders}
        assert isinstance(self.recipe, FunctionRecipe)
        return {"train": _source(self.recipe.train)}

    def _functions(self) -> list[Callable[..., Any]]:
        """The user's own functions and classes that a trial runs."""
        if isinstance(self.recipe, ModelRecipe):
            return [*self.tuner.builders().values(), *self.recipe.callbacks]
        assert isinstance(self.recipe, FunctionRecipe)
        return [self.recipe.train]

    def _study(
        self,
        store: Store,
        name: str,
        space: SearchSpace,
        settings: SweepSettings,
        artifacts: str,
        prepared: DataRef | None,
        runs: Mapping[str, Any],
        *,
        resume: bool,
        warm_start: bool,
        extend: bool,
    ) -> StudyRow:
        """The study of that name: the one that is there, when it may be resumed, else a new one."""
        place = f"{artifacts}/{name}"
        spec: dict[str, Any] = {
            "objective": settings.objective.to_json(),
            "space": space.to_json(),
            "search": settings.to_json(),
            "training": {"epochs": settings.epochs, **self._training()},
            "recipe": self._reference.to_json() if self._reference else pickle_reference(place),
            "data": None if prepared is None else prepared.place,
            "facts": None if prepared is None else _facts(prepared),
        }
        if settings.objective.num_runs > 1:
            spec["runs"] = dict(runs)
        if isinstance(self.recipe, FunctionRecipe):
            spec["function"] = getattr(self.recipe.train, "__qualname__", type(self.recipe.train).__qualname__)
        # The folder is named after content, split and preparation: the same rows split otherwise are other data.
        fingerprint = None if prepared is None else Path(prepared.place).name
        goes_on = resume and name in (study.name for study in store.studies())
        if goes_on and not extend:
            return store.open_study(name, spec, fingerprint=fingerprint)
        packed = None if self._reference else by_value(self.recipe)  # before anything is written
        if goes_on:
            study = store.open_study(name, spec, fingerprint=fingerprint, extend=True)
            with Lease.acquire(store, study) as lease:
                if packed is not None:
                    store_recipe(packed, place)
                return store.extend_study(lease, spec, sources_of(self._functions()))
        if warm_start:
            known = [space.default(), *settings.portfolio]
            spec["search"]["warm_start"] = taken_over(
                store, spec, fingerprint=fingerprint, known=known, trials=settings.budget.trials
            )
        study = store.create_study(
            name,
            spec,
            fingerprint=fingerprint,
            seed=settings.seed,
            artifacts=artifacts,
            texts=sources_of(self._functions()),
        )
        if packed is not None:
            store_recipe(packed, place)
        return study


def _facts(prepared: DataRef) -> dict[str, Any]:
    """What a reader of the study is told of its data; statistics stay with the data."""
    return {name: value for name, value in prepared.open().facts.to_json().items() if name != "statistics"}


def _source(make: Any) -> str:
    """The text of a builder, so that a study is not gone on with under other code; its name where there is no text."""
    made = make.func if isinstance(make, partial) else make
    try:
        return hashlib.sha256(inspect.getsource(made).encode()).hexdigest()[:16]
    except (OSError, TypeError):  # typed at a prompt, or written in C
        return str(getattr(made, "__qualname__", type(made).__qualname__))


def _new_name(reference: TaskReference | None) -> str:
    """A name that says what and when, with a tail that keeps two of one second apart."""
    what = reference.task if reference else "study"
    return f"{what}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
