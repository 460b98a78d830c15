"""Small data and networks that every training test may use."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

Pair = tuple[torch.Tensor, torch.Tensor]
ROWS = 70  # no multiple of a batch size: the last batch is short


@pytest.fixture
def pair() -> Pair:
    """Two classes that a straight line separates."""
    inputs = torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(1))
    return inputs, (inputs[:, 0] > 0).long()


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    """Makes the same small network again and again."""

    def make(outputs: int = 2, *, dropout: float = 0.0) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, outputs))

    return make


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Networks this small only get slower with more."""
    torch.set_num_threads(1)
