"""RowsByName: rows that give their batches as tensors by name."""

from __future__ import annotations

from typing import Protocol

import torch


class RowsByName(Protocol):
    """Rows of any kind that give a batch as a dict of tensors, which the network takes by name."""

    def __len__(self) -> int: ...

    def take(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """The tensors of these rows, each with the rows first."""
        ...
