"""Temperature scaling: probabilities that are as often right as they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradfleet.training.temperature import Calibration, fit_temperature


def test_outputs_that_were_made_too_sure_are_cooled_by_as_much() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(20_000, 4)
    targets = torch.distributions.Categorical(logits=outputs).sample()
    assert fit_temperature(3 * outputs, targets, "multiclass").temperature == pytest.approx(3.0, rel=0.1)


def test_each_label_of_several_counts() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(20_000, 3)
    targets = torch.bernoulli(outputs.sigmoid())
    assert fit_temperature(outputs / 2, targets, "multilabel").temperature == pytest.approx(0.5, rel=0.1)


def test_what_has_no_probabilities_is_left_alone() -> None:
    assert fit_temperature(torch.randn(9, 1), torch.randn(9), "regression") == Calibration(1.0, None)
    assert fit_temperature(torch.full((2, 2), float("nan")), torch.tensor([0, 1]), "multiclass") == Calibration()


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel"])
def test_rows_that_are_all_right_leave_a_doubt_of_one_in_as_many_and_two(kind: Any) -> None:
    targets = torch.arange(18) % 2
    margins = torch.where(targets == 1, 4.0, -4.0)
    outputs = torch.stack([-margins, margins], 1) if kind == "multiclass" else margins
    if kind == "multilabel":
        outputs, targets = outputs[:, None].repeat(1, 3), targets[:, None].repeat(1, 3)
    temperature = fit_temperature(outputs, targets, kind).temperature
    scaled = outputs / temperature
    sure = scaled.softmax(1).amax(1) if kind == "multiclass" else scaled.abs().sigmoid()
    assert torch.allclose(sure, torch.tensor(19 / 20), atol=1e-4)


def test_the_loss_of_what_was_made_too_sure_is_that_of_what_was_not() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(200, 4)
    targets = torch.distributions.Categorical(logits=outputs).sample()
    losses = [fit_temperature(factor * outputs, targets, "multiclass").loss for factor in (1, 3)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_of_probabilities_the_loss_alone_is_measured() -> None:
    likely, targets = torch.tensor([0.9, 0.2, 0.6] * 400), torch.tensor([1.0, 0.0, 0.0] * 400)
    found = fit_temperature(likely, targets, "binary", are_probabilities=True)
    expected = torch.nn.functional.binary_cross_entropy(likely, targets).item()
    assert found.temperature == 1.0
    assert found.loss == pytest.approx(expected, abs=1e-3)
