"""Mixup: https://arxiv.org/abs/1710.09412"""

from __future__ import annotations

import torch

from gradfleet.training.callbacks.mixing import Mixing


class MixUp(Mixing):
    """Trains on weighted sums of two rows. Pixels in bytes become floats between 0 and 1."""

    def __init__(self, alpha: float = 0.2) -> None:
        super().__init__(alpha)

    def mix(self, inputs: torch.Tensor, partners: torch.Tensor, share: float) -> tuple[torch.Tensor, float]:
        if inputs.dtype == torch.uint8:
            inputs, partners = inputs.float() / 255, partners.float() / 255
        return share * inputs + (1 - share) * partners, share
