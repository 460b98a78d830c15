"""Losses by name, class or instance, and the default loss of each kind of problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from gradfleet.data.prepared import Kind
from gradfleet.errors import unknown_name

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
LossChoice = str | type[nn.Module] | Loss


class NamedLoss(NamedTuple):
    """A loss that has a name, and the kinds of problem that it is for; the first is taken when nothing else tells."""

    compute: Loss
    kinds: tuple[Kind, ...]


def _of_tokens(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross entropy of outputs (rows, length, tokens) over targets (rows, length); -100 is padding."""
    return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())


LOSSES: Mapping[str, NamedLoss] = {
    "binary_cross_entropy": NamedLoss(functional.binary_cross_entropy_with_logits, ("binary", "multilabel")),
    "cross_entropy": NamedLoss(functional.cross_entropy, ("multiclass",)),
    "huber": NamedLoss(functional.huber_loss, ("regression",)),
    "mae": NamedLoss(functional.l1_loss, ("regression",)),
    "mse": NamedLoss(functional.mse_loss, ("regression",)),
    "nll": NamedLoss(functional.nll_loss, ("multiclass",)),
    "token_cross_entropy": NamedLoss(_of_tokens, ("text",)),
}

DEFAULTS: Mapping[Kind, str] = {
    "binary": "binary_cross_entropy",
    "multiclass": "cross_entropy",
    "multilabel": "binary_cross_entropy",
    "regression": "mse",
    "text": "token_cross_entropy",
}

_KINDS_OF_CLASSES: Mapping[type[nn.Module], tuple[Kind, ...]] = {
    nn.BCELoss: ("binary", "multilabel"),
    nn.BCEWithLogitsLoss: ("binary", "multilabel"),
    nn.CrossEntropyLoss: ("multiclass",),
    nn.HuberLoss: ("regression",),
    nn.L1Loss: ("regression",),
    nn.MSELoss: ("regression",),
    nn.NLLLoss: ("multiclass",),
    nn.SmoothL1Loss: ("regression",),
}


def problems(choice: LossChoice | None) -> list[str]:
    """Why `choice` cannot be a loss; empty when it can."""
    if isinstance(choice, str) and choice not in LOSSES:
        return [unknown_name("loss", choice, LOSSES)]
    if choice is None or isinstance(choice, str) or callable(choice):
        return []
    return [f"A loss is a name, a class or a function of (outputs, targets), got {choice!r}."]


def build(choice: LossChoice) -> Loss:
    """The function of (outputs, targets) that `choice` stands for; a class is made without arguments."""
    if isinstance(choice, str):
        return LOSSES[choice].compute
    return choice() if isinstance(choice, type) else choice


def kinds_of(choice: LossChoice | None) -> tuple[Kind, ...]:
    """The kinds of problem that a loss can be for; empty when it does not tell."""
    if isinstance(choice, str):
        return LOSSES[choice].kinds
    cls = choice if isinstance(choice, type) else type(choice)
    return _KINDS_OF_CLASSES.get(cls, ())


def takes_probabilities(choice: LossChoice | None) -> bool:
    """Whether the network's outputs are probabilities already, because its loss wants them so."""
    return choice is nn.BCELoss or isinstance(choice, nn.BCELoss)
