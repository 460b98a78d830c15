"""Predictions of many rows beside their targets, as metrics read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from gradfleet.data.prepared import Kind
from gradfleet.training import kinds


@dataclass(frozen=True)
class Predictions:
    """Outputs and targets of the same rows, in the rows' order.

    Attributes:
        outputs: as the network gave them, in float32 or float64.
        kind: of the problem; None when nobody knows.
        given_as_probabilities: whether the network's last layer turns its outputs into probabilities already.
    """

    outputs: torch.Tensor
    targets: torch.Tensor
    kind: Kind | None
    given_as_probabilities: bool = False

    @classmethod
    def gather(
        cls,
        outputs: Sequence[torch.Tensor],
        targets: Sequence[torch.Tensor],
        kind: Kind | None,
        *,
        given_as_probabilities: bool,
    ) -> Predictions:
        """One piece out of many batches."""
        together = torch.cat(list(outputs))
        if together.dtype in (torch.bfloat16, torch.float16):
            together = together.float()
        return cls(*kinds.align(together, torch.cat(list(targets)), kind), kind, given_as_probabilities)

    @property
    def num_outputs(self) -> int:
        """Classes of "multiclass", columns of "multilabel", else 1 or the columns that are predicted."""
        return self.outputs.shape[1] if self.outputs.dim() > 1 else 1

    @cached_property
    def probabilities(self) -> torch.Tensor:
        """Of each class or label; for regression the outputs themselves."""
        return self.outputs if self.given_as_probabilities else kinds.probabilities(self.outputs, self.kind)

    @cached_property
    def classes(self) -> torch.Tensor:
        """Predicted class numbers, or 0 and 1 for each label; for regression the outputs themselves."""
        if self.kind == "multiclass":
            return self.outputs.argmax(dim=1)
        if self.kind in ("binary", "multilabel"):
            return (self.probabilities > 0.5).long()
        return self.outputs
