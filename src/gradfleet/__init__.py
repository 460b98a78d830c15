"""AutoML and hyperparameter tuning for PyTorch, backed by Ray.

The public names are loaded when they are first used: importing this package imports neither torch nor Ray.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradfleet.automodel import AutoModel as AutoModel
    from gradfleet.constraint import Constraint as Constraint
    from gradfleet.data.dataset import AutoDataset as AutoDataset
    from gradfleet.export.bundle import Bundle as Bundle
    from gradfleet.objective import Objective as Objective
    from gradfleet.search.space import Choice as Choice
    from gradfleet.search.space import Entry as Entry
    from gradfleet.search.space import Float as Float
    from gradfleet.search.space import Int as Int
    from gradfleet.search.space import SearchSpace as SearchSpace
    from gradfleet.search.space import When as When
    from gradfleet.search.tuner import Tuner as Tuner
    from gradfleet.study.study import Study as Study
    from gradfleet.tasks import autotask as autotask
    from gradfleet.tasks import available_tasks as available_tasks
    from gradfleet.training.callbacks.early_stopping import EarlyStopping as EarlyStopping
    from gradfleet.training.model import Model as Model
    from gradfleet.trials.resources import Resources as Resources

__version__ = "0.1.0"

__all__ = [
    "AutoDataset",
    "AutoModel",
    "Bundle",
    "Choice",
    "Constraint",
    "EarlyStopping",
    "Entry",
    "Float",
    "Int",
    "Model",
    "Objective",
    "Resources",
    "SearchSpace",
    "Study",
    "Tuner",
    "When",
    "autotask",
    "available_tasks",
]

_MODULES = {
    "AutoDataset": "gradfleet.data.dataset",
    "AutoModel": "gradfleet.automodel",
    "Bundle": "gradfleet.export.bundle",
    "Choice": "gradfleet.search.space",
    "Constraint": "gradfleet.constraint",
    "EarlyStopping": "gradfleet.training.callbacks.early_stopping",
    "Entry": "gradfleet.search.space",
    "Float": "gradfleet.search.space",
    "Int": "gradfleet.search.space",
    "Model": "gradfleet.training.model",
    "Objective": "gradfleet.objective",
    "Resources": "gradfleet.trials.resources",
    "SearchSpace": "gradfleet.search.space",
    "Study": "gradfleet.study.study",
    "Tuner": "gradfleet.search.tuner",
    "When": "gradfleet.search.space",
    "autotask": "gradfleet.tasks",
    "available_tasks": "gradfleet.tasks",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Modules stay, so a collector that looks through them again and again finds nothing and takes a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        value: object = getattr(import_module(_MODULES[name]), name)
    finally:
        if collects:
            gc.enable()
    globals()[name] = value  # The next use finds it without coming here.
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
