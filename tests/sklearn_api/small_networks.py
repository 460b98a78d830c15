"""A network's builder in a module that other processes can import."""

from __future__ import annotations

import math

from torch import nn


def mlp(input_shape: tuple[int, ...], num_outputs: int, width: int = 16, dropout: float = 0.0) -> nn.Module:
    hidden = nn.Linear(math.prod(input_shape), width)
    return nn.Sequential(nn.Flatten(), hidden, nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, num_outputs))
