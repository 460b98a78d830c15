"""CutMix: https://arxiv.org/abs/1905.04899"""

from __future__ import annotations

import math

import torch

from gradfleet.errors import SettingError
from gradfleet.training.callbacks.mixing import Mixing


class CutMix(Mixing):
    """Trains on images with a box of another image in them; its place is drawn, and the last two axes are cut."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha)

    def mix(self, inputs: torch.Tensor, partners: torch.Tensor, share: float) -> tuple[torch.Tensor, float]:
        if inputs.dim() < 3:
            raise SettingError(f"CutMix needs images, with height and width for last axes, got {tuple(inputs.shape)}.")
        height, width = inputs.shape[-2:]
        side = math.sqrt(1 - share)
        rows, columns = _span(height, side), _span(width, side)
        mixed = inputs.clone()
        mixed[..., rows, columns] = partners[..., rows, columns]
        cut = (rows.stop - rows.start) * (columns.stop - columns.start)
        return mixed, 1 - cut / (height * width)


def _span(length: int, part: float) -> slice:
    """`part` of an axis around a drawn middle, as far as it lies within."""
    half = int(length * part) // 2
    middle = int(torch.randint(length, ()))
    return slice(max(0, middle - half), min(length, middle + half))
