"""Rare classes count for more in the loss, as much as the strength says."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from autotasks.class_weights import ClassWeights
from gradfleet import Model
from gradfleet.training.callbacks import Callback
from gradfleet.training.context import Context


class Losses(Callback):
    """Keeps what was learned from, after everybody else."""

    priority = 99

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_loss_end(self, context: Context) -> None:
        assert context.loss is not None
        self.losses.append(float(context.loss.detach()))


def first_loss(strength: float) -> tuple[float, torch.Tensor, torch.Tensor]:
    """The first batch's loss, the outputs that it is of, and the targets: nine of one class and three of another."""
    torch.manual_seed(0)
    inputs, targets = torch.randn(12, 4), torch.tensor([0] * 9 + [1] * 3)
    network = nn.Linear(4, 2)
    outputs = network(inputs).detach()
    watch = Losses()
    model = Model(network).compile("cross_entropy")
    model.fit((inputs, targets), epochs=1, batch_size=12, callbacks=[ClassWeights(strength=strength), watch])
    return watch.losses[0], outputs, targets


def test_at_full_strength_every_class_counts_alike() -> None:
    loss, outputs, targets = first_loss(1.0)
    each = [functional.cross_entropy(outputs[targets == one], targets[targets == one]) for one in (0, 1)]
    assert abs(loss - float(sum(each) / 2)) < 1e-5


def test_without_strength_every_row_counts_alike() -> None:
    loss, outputs, targets = first_loss(0.0)
    assert abs(loss - float(functional.cross_entropy(outputs, targets))) < 1e-5
