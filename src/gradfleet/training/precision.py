"""Mixed precision: which numbers the network computes in, and the scaling that half precision needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch
from torch.optim import Optimizer

PrecisionName = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[PrecisionName, ...] = get_args(PrecisionName)

_DTYPES: Mapping[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """One model's setting. Weights stay in float32; only what the network computes is narrowed.

    Attributes:
        mixed: whether anything is narrowed at all.
        scaler: of the loss, for "fp16" only: its gradients would vanish unscaled.
    """

    def __init__(self, name: PrecisionName, device: torch.device) -> None:
        self._dtype = _DTYPES.get(name)
        self._device = device.type
        self._stepped = False
        self.mixed = self._dtype is not None
        self.scaler = torch.amp.GradScaler(self._device) if name == "fp16" else None

    def autocast(self, *, enabled: bool = True) -> AbstractContextManager[object]:
        """What the network's forward pass runs in; switched off, what a backward pass inside of it runs in."""
        return torch.autocast(self._device, dtype=self._dtype, enabled=self.mixed and enabled)

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        """The loss to differentiate."""
        if self.scaler is None:
            return loss
        self.update()  # an optimizer may step again only after the scale was settled
        return self.scaler.scale(loss)

    def unscale(self, optimizer: Optimizer) -> None:
        """Make the gradients those of the loss itself, once before a step."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: Optimizer) -> None:
        """Move the weights, unless half precision made the gradients infinite."""
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self._stepped = True

    def update(self) -> None:
        """Settle the scale for what comes after the steps so far."""
        if self.scaler is not None and self._stepped:
            self.scaler.update()
            self._stepped = False
