"""Mixed precision: which numbers the network computes in, and the scaling that half precision needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch

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
        self.mixed = self._dtype is not None
        self.scaler = torch.amp.GradScaler(self._device) if name == "fp16" else None

    def autocast(self) -> AbstractContextManager[object]:
        """What the network's forward pass runs in."""
        return torch.autocast(self._device, dtype=self._dtype, enabled=self.mixed)
