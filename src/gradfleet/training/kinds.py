"""Kinds of problem: which one the targets pose, and how outputs and targets of each are brought together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import torch

from gradfleet.data.prepared import Kind

Tensor = torch.Tensor

KINDS: tuple[Kind, ...] = get_args(Kind)


def infer_kind(targets: Tensor, possible: Sequence[Kind] = ()) -> Kind:
    """The kind that `targets` pose, by their type: whole numbers are classes, floats are amounts.

    Floats of nothing but 0 and 1 are a yes or no: "binary" in one column, "multilabel" in several. Whole numbers in
    several columns of nothing but 0 and 1 are "multilabel" too.

    Args:
        possible: the kinds that the loss is for, when it tells; one of these is chosen then.
    """
    yes_or_no = bool(((targets == 0) | (targets == 1)).all())
    several = targets.dim() > 1 and targets.shape[-1] > 1
    if several and yes_or_no:
        kind: Kind = "multilabel"
    elif targets.is_floating_point():
        kind = "binary" if yes_or_no else "regression"
    else:
        kind = "multiclass"
    if possible and kind not in possible:
        return "multilabel" if several and "multilabel" in possible else possible[0]
    return kind


def align(outputs: Tensor, targets: Tensor, kind: Kind | None) -> tuple[Tensor, Tensor]:
    """Outputs and targets in the shape and type that a loss or metric of `kind` compares.

    A last axis of one on either side is dropped when the other has none, so that (rows, 1) never meets (rows,), which
    would silently compare every row with every other.
    """
    if kind is None:
        return outputs, targets
    if kind == "multiclass":
        return outputs, _class_numbers(targets)
    if targets.dtype != outputs.dtype and targets.dtype != torch.float32:
        targets = targets.to(outputs.dtype if outputs.dtype == torch.float64 else torch.float32)
    if outputs.dim() == targets.dim() + 1 and outputs.shape[-1] == 1:
        return outputs.squeeze(-1), targets
    if targets.dim() == outputs.dim() + 1 and targets.shape[-1] == 1:
        return outputs, targets.squeeze(-1)
    return outputs, targets


def _class_numbers(targets: Tensor) -> Tensor:
    if targets.dtype == torch.int64 or targets.is_floating_point():  # floats: a probability for every class
        return targets
    return targets.long()


def probabilities(outputs: Tensor, kind: Kind | None) -> Tensor:
    """Raw outputs as what metrics of `kind` read: probabilities for classes, the outputs themselves for regression."""
    if kind == "multiclass":
        return outputs.softmax(dim=1)
    return outputs if kind in (None, "regression") else outputs.sigmoid()
