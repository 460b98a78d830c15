from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import sklearn.metrics
import torch
import torchmetrics
from torch import nn
from torchmetrics import classification

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import Callback
from gradfleet.training.context import Context
from gradfleet.training.metrics import METRICS
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]

THREE = torch.randint(3, (70,), generator=torch.Generator().manual_seed(2))


def measured(metrics: Any, network: Make, data: Pair, outputs: int = 3, **fit: Any) -> tuple[dict[str, float], Any]:
    """The validation's numbers after an epoch in batches of 16 (the last has 6 rows), and all predictions."""
    model = Model(network(outputs)).compile(metrics=metrics)
    record = model.fit(data, data, epochs=1, batch_size=16, **fit)[0]
    return {name.removeprefix("val_"): value for name, value in record.metrics.items()}, model.predict(data)


def weighted_margin(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Not an average over rows: it is only right over all of them at once."""
    return (outputs.max(dim=1).values * (targets + 1)).sum() / (targets + 1).sum() / outputs.std()


def f1(probabilities: torch.Tensor, targets: torch.Tensor) -> float:
    return float(sklearn.metrics.f1_score(targets, probabilities.argmax(1), average="macro"))


FORMS = {
    "name": ("f1", "f1"),
    "torchmetrics object": (torchmetrics.F1Score("multiclass", num_classes=3, average="macro"), "multiclass_f1_score"),
    "torchmetrics class": (classification.MulticlassF1Score, "multiclass_f1_score"),
    "class that chooses by task": (torchmetrics.Accuracy, "accuracy"),
    "collection": (torchmetrics.MetricCollection({"own": classification.MulticlassF1Score(3)}), "own"),
    "scorer": ("f1_macro", "f1_macro"),
    "function": (weighted_margin, "weighted_margin"),
}


@pytest.mark.row("ME1")
@pytest.mark.row("ME3")
@pytest.mark.parametrize("form", FORMS)
def test_metrics_of_every_form_are_exact_with_a_short_last_batch(form: str, pair: Pair, network: Make) -> None:
    metric, name = FORMS[form]
    data = (pair[0], THREE)

    numbers, outputs = measured([metric], network, data)

    expected = {
        "weighted_margin": float(weighted_margin(outputs, THREE)),
        "accuracy": float(sklearn.metrics.accuracy_score(THREE, outputs.argmax(1))),
    }.get(name, f1(outputs, THREE))
    assert numbers[name] == pytest.approx(expected, abs=1e-6)


@pytest.mark.row("ME1")
def test_a_dict_gives_metrics_their_names(pair: Pair, network: Make) -> None:
    numbers, _ = measured({"right": "accuracy", "margin": weighted_margin}, network, (pair[0], THREE))

    assert set(numbers) == {
        "loss",
        "right",
        "margin",
        *(f"train_{name}" for name in ("loss", "right", "margin", "seconds")),
    }


SCORES: dict[str, Callable[[Any, torch.Tensor, torch.Tensor], Any]] = {
    "accuracy": lambda true, hard, _: sklearn.metrics.accuracy_score(true, hard),
    "average_precision": lambda true, _, soft: sklearn.metrics.average_precision_score(true, soft, average="macro"),
    "balanced_accuracy": lambda true, hard, _: sklearn.metrics.balanced_accuracy_score(true, hard),
    "f1": lambda true, hard, _: sklearn.metrics.f1_score(true, hard, average="macro"),
    "precision": lambda true, hard, _: sklearn.metrics.precision_score(true, hard, average="macro", zero_division=0),
    "recall": lambda true, hard, _: sklearn.metrics.recall_score(true, hard, average="macro"),
    "roc_auc": lambda true, _, soft: sklearn.metrics.roc_auc_score(true, soft, multi_class="ovr"),
}


@pytest.mark.row("ME3")
@pytest.mark.parametrize("name", SCORES)
def test_named_metrics_of_classes_equal_sklearn(name: str, pair: Pair, network: Make) -> None:
    numbers, outputs = measured([name], network, (pair[0], THREE))

    expected = SCORES[name](THREE, outputs.argmax(1), outputs.double().softmax(1))
    assert numbers[name] == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.row("ME3")
@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "average_precision"])
@pytest.mark.parametrize("labels", [1, 3])
def test_named_metrics_of_yes_and_no_equal_sklearn(name: str, labels: int, pair: Pair, network: Make) -> None:
    targets = (pair[0][:, :labels] > 0.2).float()

    numbers, outputs = measured([name], network, (pair[0], targets), outputs=labels)

    hard, soft = (outputs > 0).float(), outputs.sigmoid()
    if name == "accuracy":
        expected = float((hard == targets).double().mean())
    elif name == "f1":
        expected = sklearn.metrics.f1_score(targets, hard, average="macro" if labels > 1 else "binary")
    else:
        expected = SCORES[name](targets, hard, soft)
    assert numbers[name] == pytest.approx(float(expected), abs=1e-6)


REGRESSION = {
    "mae": sklearn.metrics.mean_absolute_error,
    "mape": sklearn.metrics.mean_absolute_percentage_error,
    "mse": sklearn.metrics.mean_squared_error,
    "r2": sklearn.metrics.r2_score,
    "rmse": sklearn.metrics.root_mean_squared_error,
    "neg_median_absolute_error": lambda true, found: -sklearn.metrics.median_absolute_error(true, found),
}


@pytest.mark.row("ME3")
@pytest.mark.parametrize("name", REGRESSION)
def test_named_metrics_of_amounts_equal_sklearn(name: str, pair: Pair, network: Make) -> None:
    targets = pair[0].sum(dim=1) + 10

    numbers, outputs = measured([name], network, (pair[0], targets), outputs=1)

    assert numbers[name] == pytest.approx(float(REGRESSION[name](targets, outputs[:, 0])), rel=1e-5)


@pytest.mark.row("ME3")
@pytest.mark.parametrize("scorer", ["roc_auc_ovr", "neg_log_loss", "accuracy", "top_k_accuracy"])
def test_sklearn_scorers_see_predictions_and_probabilities(scorer: str, pair: Pair, network: Make) -> None:
    numbers, outputs = measured([scorer], network, (pair[0], THREE))

    soft = outputs.double().softmax(1).numpy()
    expected = {
        "roc_auc_ovr": lambda: sklearn.metrics.roc_auc_score(THREE, soft, multi_class="ovr"),
        "neg_log_loss": lambda: -sklearn.metrics.log_loss(THREE, soft),
        "accuracy": lambda: sklearn.metrics.accuracy_score(THREE, soft.argmax(1)),
        "top_k_accuracy": lambda: sklearn.metrics.top_k_accuracy_score(THREE, soft, k=2),
    }[scorer]()
    assert numbers[scorer] == pytest.approx(float(expected), abs=1e-6)


def test_scorers_of_two_classes_get_the_probability_of_the_second(pair: Pair, network: Make) -> None:
    for outputs, targets in ((2, pair[1]), (1, pair[1].float())):
        numbers, found = measured(["roc_auc"], network, (pair[0], targets), outputs=outputs)
        scores = found[:, -1] - (found[:, 0] if outputs == 2 else 0)
        assert numbers["roc_auc"] == pytest.approx(float(sklearn.metrics.roc_auc_score(targets, scores)), abs=1e-6)


@pytest.mark.row("ME3")
def test_the_epochs_loss_weighs_a_short_last_batch_by_its_rows(pair: Pair, network: Make) -> None:
    numbers, outputs = measured([], network, (pair[0], THREE))

    assert numbers["loss"] == pytest.approx(nn.functional.cross_entropy(outputs, THREE).item(), abs=1e-6)


@pytest.mark.row("ME3")
def test_training_metrics_are_exact_over_the_outputs_seen_during_the_epoch(pair: Pair, network: Make) -> None:
    class Keep(Callback):
        def on_batch_end(self, context: Context) -> None:
            seen.append((context.outputs.detach().argmax(1) == context.batch[1]).float())

    seen: list[torch.Tensor] = []
    numbers, _ = measured(["accuracy"], network, (pair[0], THREE), callbacks=[Keep()])

    assert numbers["train_accuracy"] == pytest.approx(torch.cat(seen).mean().item())
    assert len(torch.cat(seen)) == 70


@pytest.mark.row("ME3")
def test_metrics_are_the_same_however_often_predictions_are_folded(
    pair: Pair, network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = ["accuracy", "f1", "roc_auc", "f1_macro", weighted_margin]
    whole, _ = measured(metrics, network, (pair[0], THREE))
    monkeypatch.setattr("gradfleet.training.metrics.meter._KEPT_NUMBERS", 1)
    folded, _ = measured(metrics, network, (pair[0], THREE))

    del whole["train_seconds"], folded["train_seconds"]
    assert folded == pytest.approx(whole, rel=1e-6)


def test_probabilities_are_taken_as_such_from_a_network_that_gives_them(pair: Pair) -> None:
    torch.manual_seed(0)
    model = Model(nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())).compile(nn.BCELoss, learning_rate=0.1)
    data = (pair[0], pair[1].float())

    history = model.fit(data, data, epochs=20)

    expected = ((model.predict(pair[0])[:, 0] > 0.5).long() == pair[1]).double().mean().item()
    assert model.problem.kind == "binary"
    assert history[-1]["val_accuracy"] == expected > 0.9


def test_a_metric_that_raises_is_named(pair: Pair, network: Make) -> None:
    def broken(outputs: torch.Tensor, targets: torch.Tensor) -> float:
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order") as caught:
        measured([broken], network, (pair[0], THREE))
    assert caught.value.__notes__ == ["Raised by the metric broken."]


def test_a_metric_must_give_one_number(pair: Pair, network: Make) -> None:
    with pytest.raises(ValueError, match=r"one number, got a tensor of shape \(3,\)"):
        measured([classification.MulticlassF1Score(3, average=None)], network, (pair[0], THREE))


def test_a_metric_of_another_kind_of_problem_is_refused_before_the_first_batch(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match="'r2' is for regression, and this problem is multiclass"):
        measured(["r2"], network, (pair[0], THREE))
    with pytest.raises(SettingError, match="'r2' is for regression, and this problem is binary"):
        Model(network(1)).compile(kind="binary", metrics=["r2"])


def test_every_named_metric_can_be_computed(pair: Pair, network: Make) -> None:
    targets = {
        "binary": (1, pair[1].float()),
        "multiclass": (3, THREE),
        "multilabel": (3, (pair[0][:, :3] > 0).float()),
        "regression": (1, pair[0].sum(dim=1)),
    }
    for kind, (outputs, values) in targets.items():
        names = [name for name, makers in METRICS.items() if kind in makers]
        numbers, _ = measured(names, network, (pair[0], values), outputs=outputs)
        assert {name for name in names if numbers[name] != numbers[name]} == set()


def test_a_model_is_imported_without_the_heavy_libraries_that_only_some_metrics_need() -> None:
    code = "import sys, gradfleet.training.model; print(*{'torchmetrics', 'sklearn', 'transformers'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "\n"
