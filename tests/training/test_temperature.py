"""Temperature scaling: probabilities that are as often right as they say."""

from __future__ import annotations

import pytest
import torch

from gradfleet.training.temperature import fit_temperature


def test_outputs_that_were_made_too_sure_are_cooled_by_as_much() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(20_000, 4)
    targets = torch.distributions.Categorical(logits=outputs).sample()
    assert fit_temperature(3 * outputs, targets, "multiclass") == pytest.approx(3.0, rel=0.1)


def test_each_label_of_several_counts() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(20_000, 3)
    targets = torch.bernoulli(outputs.sigmoid())
    assert fit_temperature(outputs / 2, targets, "multilabel") == pytest.approx(0.5, rel=0.1)


def test_what_has_no_probabilities_is_left_alone() -> None:
    assert fit_temperature(torch.randn(9, 1), torch.randn(9), "regression") == 1.0
    assert fit_temperature(torch.full((2, 2), float("nan")), torch.tensor([0, 1]), "multiclass") == 1.0
