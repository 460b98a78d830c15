"""Metrics by name, as torchmetrics objects or classes, by an sklearn scorer's name, or as plain functions."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError, unknown_name
from gradfleet.training.metrics.accuracy import ExactAccuracy
from gradfleet.training.metrics.epoch_metrics import (
    EpochMetric,
    MetricFunction,
    TorchMetric,
    WholeMetric,
)
from gradfleet.training.metrics.formulas import Formula, FormulaMetric

if TYPE_CHECKING:  # importing it takes a second, and few problems need it
    import torchmetrics

MetricChoice: TypeAlias = (
    "str | torchmetrics.Metric | torchmetrics.MetricCollection | type[torchmetrics.Metric] | Formula | MetricFunction"
)
MetricChoices: TypeAlias = "Sequence[MetricChoice] | Mapping[str, MetricChoice]"
_Make = Callable[[list[str], int], EpochMetric]


def _classified(name: str, average: str = "macro") -> Mapping[Kind, _Make]:
    """The three forms that torchmetrics has of a classification metric; `average` is over classes or labels."""

    def form(kind: str, *sizes: int, **options: Any) -> torchmetrics.Metric:
        from torchmetrics import classification

        made: torchmetrics.Metric = getattr(classification, f"{kind}{name}")(*sizes, validate_args=False, **options)
        return made

    return {
        "binary": lambda names, _: TorchMetric(names, form("Binary")),
        "multiclass": lambda names, n: TorchMetric(names, form("Multiclass", n, average=average)),
        "multilabel": lambda names, n: TorchMetric(names, form("Multilabel", n, average=average)),
    }


def _regressed(name: str, **options: Any) -> Mapping[Kind, _Make]:
    def make(names: list[str], _: int) -> TorchMetric:
        from torchmetrics import regression

        return TorchMetric(names, getattr(regression, name)(**options))

    return {"regression": make}


METRICS: Mapping[str, Mapping[Kind, _Make]] = {
    "accuracy": dict.fromkeys(("binary", "multiclass", "multilabel"), lambda names, _: ExactAccuracy(names)),
    "average_precision": _classified("AveragePrecision"),
    "balanced_accuracy": {"multiclass": _classified("Recall")["multiclass"]},
    "f1": _classified("F1Score"),
    "mae": _regressed("MeanAbsoluteError"),
    "mape": _regressed("MeanAbsolutePercentageError"),
    "mse": _regressed("MeanSquaredError"),
    "precision": _classified("Precision"),
    "r2": _regressed("R2Score"),
    "recall": _classified("Recall"),
    "rmse": _regressed("MeanSquaredError", squared=False),
    "roc_auc": _classified("AUROC"),
}

DEFAULTS: Mapping[Kind, tuple[str, ...]] = {
    "binary": ("accuracy",),
    "multiclass": ("accuracy",),
    "multilabel": ("accuracy", "f1"),
    "regression": ("mae",),
    "text": (),
}


def problems(choices: MetricChoices | None, kind: Kind | None = None) -> list[str]:
    """Why `choices` cannot be the metrics of a problem of `kind`; empty when they can."""
    if choices is None:
        return []
    if isinstance(choices, str) or not isinstance(choices, Sequence | Mapping):
        return [f"metrics takes a list of metrics, or a dict from name to metric, got {choices!r}."]
    found = [problem for choice in _values(choices) for problem in _problems_of(choice, kind)]
    if not found:
        names = names_of(choices)
        found += [
            f"Two metrics are called {name!r}; name them with a dict." for name in set(names) if names.count(name) > 1
        ]
        if "loss" in names:
            found.append("A metric cannot be called 'loss', which every record has already.")
    return found


def names_of(choices: MetricChoices) -> list[str]:
    """The names that the metrics have in a record, without `train_` and `val_`."""
    pairs = choices.items() if isinstance(choices, Mapping) else [(None, choice) for choice in choices]
    return [name for given, choice in pairs for name in _names(given, choice)]


def build(choices: MetricChoices, kind: Kind | None, num_outputs: int) -> list[EpochMetric]:
    """Fresh metrics for one pass over the data."""
    pairs = choices.items() if isinstance(choices, Mapping) else [(None, choice) for choice in choices]
    return [_build(given, choice, kind, num_outputs) for given, choice in pairs]


def import_needed(choices: MetricChoices) -> None:
    """Import what these need before an epoch begins, whose time it would be counted as."""
    if any(isinstance(one, str) and one in METRICS and one != "accuracy" for one in _values(choices)):
        import torchmetrics  # noqa: F401


def _build(given: str | None, choice: MetricChoice, kind: Kind | None, num_outputs: int) -> EpochMetric:
    names = _names(given, choice)
    if isinstance(choice, str):
        if choice not in METRICS:
            return WholeMetric.of_scorer(names[0], choice)
        makers = METRICS[choice]
        if kind is None or kind not in makers:
            raise SettingError(_wrong_kind(choice, kind))
        return makers[kind](names, num_outputs)
    if isinstance(choice, type):
        return TorchMetric(names, _instance(choice, kind, num_outputs))
    if _is_metric(choice) or _is_collection(choice):
        return TorchMetric(names, choice.clone())
    if isinstance(choice, Formula):
        return FormulaMetric(names[0], choice)
    return WholeMetric.of_function(names[0], choice)


def _instance(cls: type[torchmetrics.Metric], kind: Kind | None, num_outputs: int) -> torchmetrics.Metric:
    """A torchmetrics class made with what its signature asks for."""
    values = {"num_classes": num_outputs, "num_labels": num_outputs, "task": kind}
    # The classes that choose by `task` do so in `__new__`.
    signature = {**inspect.signature(cls.__new__).parameters, **inspect.signature(cls.__init__).parameters}
    return cls(**{name: value for name, value in values.items() if name in signature})


def _names(given: str | None, choice: MetricChoice) -> list[str]:
    if _is_collection(choice):
        return [f"{given}_{key}" if given else str(key) for key in choice.keys(keep_base=False)]
    return [given or _own_name(choice)]


def _own_name(choice: MetricChoice) -> str:
    if isinstance(choice, str):
        return choice
    if isinstance(choice, Formula):
        return "formula"
    if _is_metric(choice):
        choice = type(choice)
    name = getattr(choice, "__name__", type(choice).__name__)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _is_metric(choice: object) -> TypeGuard[torchmetrics.Metric]:
    """Where nobody has imported torchmetrics there is no object of it."""
    library = sys.modules.get("torchmetrics")
    return library is not None and isinstance(choice, library.Metric)


def _is_collection(choice: object) -> TypeGuard[torchmetrics.MetricCollection]:
    library = sys.modules.get("torchmetrics")
    return library is not None and isinstance(choice, library.MetricCollection)


def _values(choices: MetricChoices) -> list[MetricChoice]:
    return list(choices.values()) if isinstance(choices, Mapping) else list(choices)


def _problems_of(choice: MetricChoice, kind: Kind | None) -> list[str]:
    if isinstance(choice, str):
        return _problems_of_name(choice, kind)
    if callable(choice) or isinstance(choice, Formula):
        return []
    return [
        f"A metric is a name, a torchmetrics object, a formula or a function of (outputs, targets), got {choice!r}."
    ]


def _problems_of_name(name: str, kind: Kind | None) -> list[str]:
    if name in METRICS:
        return [_wrong_kind(name, kind)] if kind and kind not in METRICS[name] else []
    from sklearn.metrics import get_scorer_names  # heavy, and needed for names that are not ours only

    scorers = get_scorer_names()
    return [] if name in scorers else [unknown_name("metric", name, {*METRICS, *scorers})]


def _wrong_kind(name: str, kind: Kind | None) -> str:
    return f"The metric {name!r} is for {' or '.join(METRICS[name])}, and this problem is {kind or 'of unknown kind'}."
