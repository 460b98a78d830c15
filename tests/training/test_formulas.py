from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sklearn.metrics
import torch
from torch import nn
from torchmetrics import classification

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import Callback, LossStatistics
from gradfleet.training.context import Context
from gradfleet.training.metrics.formulas import Formula, Measured, PerClass
from gradfleet.training.metrics.running import RunningMean, Smoothed
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]
P, R = PerClass("precision"), PerClass("recall")
F1 = (P * R * 2 / (P + R)).mean()


class Given(nn.Module):
    """Gives its inputs back."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs


def evaluated(metrics: Any, predicted: list[int], true: list[int], classes: int = 4) -> Mapping[str, float]:
    outputs = nn.functional.one_hot(torch.tensor(predicted), classes).float() * 5
    model = Model(Given()).compile("cross_entropy", optimizer=lambda parameters: torch.optim.SGD([torch.zeros(1)]),
        kind="multiclass", metrics=metrics)  # fmt: skip
    return model.evaluate((outputs, torch.tensor(true)), batch_size=3)


PREDICTIONS = {
    "all there": ([0, 1, 2, 3, 3, 1, 0], [0, 1, 3, 3, 2, 2, 1]),
    "never predicted": ([0, 1, 2, 2, 1], [0, 3, 2, 1, 1]),
    "never true": ([0, 3, 2, 2, 1], [0, 1, 2, 1, 1]),
    "neither": ([0, 1, 2, 2, 1], [0, 1, 2, 1, 1]),
}


@pytest.mark.row("ME2")
@pytest.mark.parametrize("case", PREDICTIONS)
def test_f1_by_arithmetic_equals_the_librarys(case: str) -> None:
    predicted, true = PREDICTIONS[case]

    found = evaluated({"own": F1, "f1": "f1"}, predicted, true)

    assert found["own"] == pytest.approx(found["f1"], abs=1e-6)
    assert found["own"] == pytest.approx(sklearn.metrics.f1_score(true, predicted, average="macro"), abs=1e-6)


@pytest.mark.row("ME2")
def test_every_operation_is_that_of_numbers() -> None:
    predicted, true = PREDICTIONS["all there"]
    scores = sklearn.metrics.precision_recall_fscore_support(true, predicted)
    precision, recall = torch.from_numpy(scores[0]), torch.from_numpy(scores[1])
    formulas: dict[str, tuple[Formula, torch.Tensor]] = {
        "sum": ((P + 1).sum(), (precision + 1).sum()),
        "minus": ((1 - P - R).mean(), (1 - precision - recall).mean()),
        "power": ((3 * P**2).mean(), (3 * precision**2).mean()),
        "over": ((2 / (1 + R)).max(), (2 / (1 + recall)).max()),
        "absolute": (abs(-P).min(), precision.min()),
        "one": (R[2] + 0.5, recall[2] + 0.5),
        "rows": (PerClass("rows").sum(), torch.tensor(7.0)),
        "weighted": (
            (R * PerClass("rows")).sum() / PerClass("rows").sum(),
            (recall * torch.from_numpy(scores[3])).sum() / 7,
        ),
    }

    found = evaluated({name: formula for name, (formula, _) in formulas.items()}, predicted, true)

    for name, (_, expected) in formulas.items():
        assert found[name] == pytest.approx(float(expected)), name


@pytest.mark.row("ME2")
def test_torchmetrics_take_part() -> None:
    accuracy = Measured(classification.MulticlassAccuracy(4, average="micro"))

    found = evaluated({"error": 1 - accuracy, "mean": (accuracy + F1) / 2, "f1": "f1"}, *PREDICTIONS["all there"])

    assert found["error"] == pytest.approx(1 - found["accuracy"])
    assert found["mean"] == pytest.approx((found["accuracy"] + found["f1"]) / 2)


def test_formulas_of_yes_and_no_and_of_labels(pair: Pair, network: Make) -> None:
    for labels in (1, 3):
        targets = (pair[0][:, :labels] > 0).float()
        model = Model(network(labels)).compile(metrics={"recall": R[0], "f1": F1})
        found = model.fit((pair[0], targets), (pair[0], targets), epochs=1)[0]
        predicted = (model.predict(pair[0]) > 0).int()
        first = predicted[:, 0] == 1 if labels > 1 else predicted[:, 0] == 0
        right = targets[:, 0] == 1 if labels > 1 else targets[:, 0] == 0
        assert found["val_recall"] == pytest.approx(((first & right).sum() / right.sum()).item())


def test_a_formula_needs_a_name_and_one_number() -> None:
    with pytest.raises(ValueError, match=r"one number, got a tensor of shape \(4,\)"):
        evaluated([P], *PREDICTIONS["all there"])
    with pytest.raises(SettingError, match="Two metrics are called 'formula'; name them with a dict"):
        evaluated([P.mean(), R.mean()], *PREDICTIONS["all there"])
    with pytest.raises(SettingError, match="No number of a class is called 'precison'. Did you mean 'precision'"):
        PerClass("precison")
    with pytest.raises(SettingError, match="PerClass is for classification, and this problem is regression"):
        Model(nn.Linear(1, 1)).compile("mse", metrics=[F1]).evaluate((torch.ones(2, 1), torch.ones(2, 1)))


VALUES = [5.0, 1.0, 4.5, 1e3, 2.0, -7.0, 0.0]


@pytest.mark.row("ME5")
@pytest.mark.parametrize("window", [None, 1, 3, 100])
def test_running_mean_and_deviation_match_a_reference(window: int | None) -> None:
    running = RunningMean(window)
    assert running.mean != running.mean
    assert running.deviation != running.deviation
    for number, value in enumerate(VALUES, start=1):
        running.add(value)
        last = VALUES[:number][-(window or number) :]
        assert running.mean == pytest.approx(statistics.fmean(last))
        assert running.deviation == pytest.approx(statistics.pstdev(last))


@pytest.mark.row("ME5")
def test_a_smoothed_value_matches_a_reference() -> None:
    smoothed = Smoothed(0.9)
    for number, value in enumerate(VALUES, start=1):
        smoothed.add(value)
        shares = [0.9 ** (number - place) for place in range(1, number + 1)]
        expected = sum(share * one for share, one in zip(shares, VALUES, strict=False)) / sum(shares)
        assert smoothed.mean == pytest.approx(expected)


@pytest.mark.row("ME5")
def test_a_fit_records_running_mean_deviation_and_smoothed_loss(pair: Pair, network: Make) -> None:
    class Keep(Callback):
        def on_batch_end(self, context: Context) -> None:
            assert context.loss is not None
            losses.append(context.loss.item())

    losses: list[float] = []
    model = Model(network()).compile()
    history = model.fit(pair, epochs=2, batch_size=10, callbacks=[Keep(), LossStatistics(window=4, smoothing=0.5)])

    assert history[1]["train_loss_mean"] == pytest.approx(statistics.fmean(losses[-4:]))
    assert history[1]["train_loss_deviation"] == pytest.approx(statistics.pstdev(losses[-4:]))
    shares = [0.5 ** (14 - place) for place in range(14)]
    expected = sum(share * loss for share, loss in zip(shares, losses, strict=True)) / sum(shares)
    assert history[1]["train_loss_smoothed"] == pytest.approx(expected)
