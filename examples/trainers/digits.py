"""What the examples beside this file share: handwritten digits, and a small network for them."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits() -> Split:
    """Training and validation rows of 64 pixels from 0 to 1, and their classes."""
    pixels, classes = load_digits(return_X_y=True)
    rows, targets = (pixels / 16).astype("float32"), classes.astype("int64")
    return rows[:600], targets[:600], rows[600:900], targets[600:900]


def tensors() -> tuple[torch.Tensor, ...]:
    return tuple(map(torch.from_numpy, digits()))


def network(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
