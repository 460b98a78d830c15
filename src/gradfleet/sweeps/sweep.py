"""Sweep: a spec with its recipe found and its space narrowed, ready to be searched."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gradfleet.automodel import AutoModel
from gradfleet.constraint import Constraint
from gradfleet.data.places import anchored
from gradfleet.errors import ExecutionError, Problems, SettingError, unknown_name
from gradfleet.fleet.addresses import is_service
from gradfleet.fleet.settings import SweepSettings
from gradfleet.goal import Goal, aim
from gradfleet.objective import Objective
from gradfleet.search.narrowing import narrowed
from gradfleet.search.samplers import check_aim, check_sampler
from gradfleet.study.driving.budget import Budget
from gradfleet.study.schedulers.names import scheduler_options
from gradfleet.study.storage.store import check_name
from gradfleet.sweeps.document import Document
from gradfleet.sweeps.overrides import overridden
from gradfleet.sweeps.problems import check_type, checked
from gradfleet.sweeps.spec import SweepSpec
from gradfleet.tasks import autotask, available_tasks, task_model, task_option_kinds
from gradfleet.trials.resources import Resources

if TYPE_CHECKING:
    from gradfleet.study.study import Study


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a file asks for, as the objects that Python would use.

    Attributes:
        model: the search, its space narrowed.
        data: what it learns from, as `AutoDataset` takes it; None where a recipe brings its own.
        task: the preset that owns `model`, read from `data`; None for a recipe.
    """

    spec: SweepSpec
    model: AutoModel
    data: Any = None
    task: Any = None

    @classmethod
    def read(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """The sweep of a file, `overrides` (`key=value`) before what it says.

        Raises:
            NotFoundError: there is no such file, or no such task.
            SettingError: it cannot be; every problem with its file, line and column.
            ExecutionError: the recipe's module cannot be imported; its traceback is in the message.
        """
        return cls.of(overridden(Document.read(path), overrides))

    @classmethod
    def of(cls, document: Document, *, found: Callable[[str], Any] = anchored) -> Self:
        """The sweep that a document asks for; errors as in `read`.

        Args:
            found: what `AutoDataset` is given for the document's `data`; by default a path of the working folder.
        """
        spec = checked(document)
        _check_settings(document, spec)
        if spec.task is not None:
            _check_options(document, spec, spec.task)
        with document.blaming(("recipe",) if spec.task is None else ("data",)):
            data = None if spec.data is None else found(spec.data)
            made = cls._from_task(spec, data) if spec.recipe is None else cls(spec, named_recipe(spec.recipe), data)
        _aim(made.model, spec, document)
        _narrow(made.model, spec, document)
        return made

    @classmethod
    def _from_task(cls, spec: SweepSpec, data: Any) -> Self:
        assert spec.task is not None
        task = autotask(spec.task, data, seed=spec.search.seed, **spec.options)
        return cls(spec, task.model, data, task)

    def fit(
        self,
        *,
        resume: bool = False,
        extend: bool = False,
        retry_failed: bool = False,
        progress: bool = True,
        wait: bool = True,
    ) -> Study:
        """Search; the arguments and errors are those of `AutoModel.fit`."""
        if is_service(self.spec.cluster):
            raise SettingError(
                f"{self.spec.cluster} runs sweep files by itself: send it with `gradfleet sweep submit`."
            )
        settings = self._settings() | {"resume": resume, "extend": extend, "retry_failed": retry_failed}
        settings |= {"progress": progress, "wait": wait}
        if self.task is not None:
            self.task.fit(**settings)
            study: Study = self.task.study
            return study
        return self.model.fit(self.data, seed=self.spec.search.seed, **settings)

    def _settings(self) -> dict[str, Any]:
        """What the file says of the arguments of `fit`; what it does not say is left to `fit`."""
        said = self.spec.search.model_dump(exclude_none=True, exclude={"seed"})
        said |= self.spec.model_dump(exclude_none=True, include={"name", "store", "artifacts", "cluster"})
        return said | {"resources": Resources(**self.spec.resources.model_dump())}


def checked_words(document: Document) -> SweepSpec:
    """The spec that a document is, as far as can be told without its data: keys, limits, objective and dimensions.

    Raises:
        SettingError: one sentence a problem, with its place; all of them at once.
    """
    spec, problems = checked(document), Problems()
    with problems:
        _check_settings(document, spec)
    if spec.task is not None:
        with problems, document.blaming(("task",)):
            if spec.task not in available_tasks():
                raise SettingError(unknown_name("task", spec.task, available_tasks()))
            backbones: Sequence[str] = ()
            with problems:
                _check_options(document, spec, spec.task)
                backbones = spec.options.get("backbones", ())
            model = task_model(spec.task, backbones)
            for check in (_aim, _narrow):
                with problems:
                    check(model, spec, document)
    else:  # its space and its own objective are known where its code is imported
        with problems:
            _check_constraints(spec, document)
    problems.refuse()
    return spec


def _check_settings(document: Document, spec: SweepSpec) -> None:
    """Refuse here, with a line, what `fit` would refuse later."""
    problems, search, resources = Problems(), spec.search, Resources()
    settings = partial(SweepSettings, objective=Objective("loss", "min"), budget=Budget())
    with problems, document.blaming(("name",)):
        if spec.name:
            check_name(spec.name)
    for limit in ("trials", "budget", "target", "patience"):
        with problems, document.blaming(("search", limit)):
            Budget.of(**{limit: getattr(search, limit)}, endless=False)
    for check, name in ((check_sampler, "sampler"), (scheduler_options, "scheduler")):
        with problems, document.blaming(("search", name)):
            if getattr(search, name) is not None:
                check(getattr(search, name))
    with problems, document.blaming(("search", "seed")):
        settings(seed=search.seed)
    with problems, document.blaming(("resources",)):
        resources = Resources(**spec.resources.model_dump())
    with problems, document.blaming(("cluster",)):
        if not is_service(spec.cluster):
            settings(cluster=spec.cluster, resources=resources)
    problems.refuse()


def _check_options(document: Document, spec: SweepSpec, task: str) -> None:
    """Refuse options that the task does not have or takes otherwise, each with its line; the seed is the search's."""
    with document.blaming(("task",)):
        kinds = task_option_kinds(task)
    problems, known = Problems(), kinds.keys() - {"seed"}
    for name, value in spec.options.items():
        with problems, document.blaming(("options", name)):
            if name not in known:
                raise SettingError(unknown_name("option", name, known))
            check_type(name, value, kinds[name])
    problems.refuse()


def _check_constraints(spec: SweepSpec, document: Document) -> None:
    problems = Problems()
    for constraint in spec.constraints:
        with problems, document.blaming(("constraints",)):
            Constraint.of(constraint)
    problems.refuse()


def _aim(model: AutoModel, spec: SweepSpec, document: Document) -> None:
    """The objectives of the file, with its constraints, for its sampler; where it says none, the recipe's own."""
    own = model.objective.objectives if isinstance(model.objective, Goal) else (model.objective,)
    said = tuple(Objective(one.metric, one.mode) for one in spec.objectives)
    if said or spec.constraints:
        with document.blaming(("objective",) if said else ("constraints",)):
            model.objective = aim(said or own, spec.constraints)
    if spec.search.sampler is not None:
        with document.blaming(("search", "sampler")):
            check_aim(spec.search.sampler, model.objective)


def _narrow(model: AutoModel, spec: SweepSpec, document: Document) -> None:
    """Narrow each dimension that the spec names; what cannot be is refused with its own line."""
    problems, changes = Problems(), spec.narrowing()
    for name, change in changes.items():
        with problems, document.blaming(("space", name)):
            narrowed(model.space, {name: change})
    problems.refuse()
    with document.blaming(("space",)):
        model.narrow(changes)


def named_recipe(address: str) -> AutoModel:
    """The AutoModel that `package.module:function` returns; modules of the working folder are found too."""
    module_name, _, name = address.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise _broken(address) from error
        raise SettingError(
            f"No module {module_name!r} is installed or lies in {os.getcwd()}, which the recipe {address!r} needs."
        ) from error
    except Exception as error:
        raise _broken(address) from error
    make = getattr(module, name, None)
    if not callable(make):
        known = [each for each in vars(module) if not each.startswith("_") and callable(getattr(module, each))]
        raise SettingError(unknown_name(f"function in {module_name}", name, known))
    return _made(address, make)


def _made(address: str, make: Any) -> AutoModel:
    try:
        model = make()
    except Exception as error:
        raise _broken(address) from error
    if not isinstance(model, AutoModel):
        raise SettingError(f"The recipe {address!r} returns an AutoModel, got {type(model).__name__}.")
    return model


def _broken(address: str) -> ExecutionError:
    return ExecutionError(f"The recipe {address!r} cannot be imported here:\n{traceback.format_exc().rstrip()}")
