"""Augmentation of image batches, on their own device: a few tensor lines; kornia for colours and policies."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from gradfleet.training.callbacks import Callback, CutMix, MixUp
from gradfleet.training.context import Context

_STRONGEST = 30  # of RandAugment's scale of magnitudes


def as_it_is(images: torch.Tensor) -> torch.Tensor:
    return images


def mirrored(images: torch.Tensor) -> torch.Tensor:
    """From left to right."""
    return images.flip(-1)


VIEWS = (as_it_is, mirrored)
"""For `predict(items, views=VIEWS)`: the mean of what is said of an image and of its reflection."""


def mixing(*, kind: str = "mixup", alpha: float = 0.2) -> Callback:
    """MixUp or CutMix, whose shares are drawn from Beta(alpha, alpha)."""
    return MixUp(alpha) if kind == "mixup" else CutMix(alpha)


class Augmentation(Callback):
    """Moves, turns, scales and mirrors every image of a training batch by its own random amounts.

    Validation batches are never touched. Everything random comes from torch's seeded generator.

    Args:
        shift: at most this fraction of a side, in each direction.
        rotation: at most so many degrees, either way.
        scale: at most this fraction larger or smaller.
        mirror: every second image from left to right, by chance.
        colour: brightness, contrast and, of coloured images, saturation change by at most this part, and the hue by a
            quarter as much of the circle.
        strength: from 0 to 1, of one operation an image out of RandAugment's (Cubuk et al., 2020, arXiv:1909.13719).
        erase: side of one square that is blanked, as a fraction of the shorter side (Zhong et al., 2020,
            arXiv:1708.04896); 0 blanks none.
    """

    def __init__(
        self,
        *,
        shift: float = 0.0,
        rotation: float = 0.0,
        scale: float = 0.0,
        mirror: bool = False,
        colour: float = 0.0,
        strength: float = 0.0,
        erase: float = 0.0,
    ) -> None:
        self.shift = shift
        self.rotation = rotation
        self.scale = scale
        self.mirror = mirror
        self.erase = erase
        self._coloured = [*_jitter(colour), *_policy(strength)]

    def on_batch_start(self, context: Context) -> None:
        images, targets = context.batch
        context.batch = self(images), targets

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Augmented images of the same shape (rows, channels, height, width), as floats 0..1 when pixels came."""
        if not images.is_floating_point():
            images = images.float() / 255
        if self.shift or self.rotation or self.scale or self.mirror:
            images = self._moved(images)
        if self._coloured:
            images = self._in_colours(images)
        if self.erase:
            images = self._erased(images)
        return images

    def _in_colours(self, images: torch.Tensor) -> torch.Tensor:
        """What kornia does, which knows coloured images from 0 to 1: a grey one becomes one and is grey again.

        Others, such as those of more channels or of standardized numbers, stay as they are.
        """
        if images.shape[1] not in (1, 3) or images.min() < 0 or images.max() > 1:
            return images
        changed = images.expand(-1, 3, -1, -1)
        for change in self._coloured:
            changed = change(changed)
        return (changed.mean(dim=1, keepdim=True) if images.shape[1] == 1 else changed).clamp(0, 1)

    def _moved(self, images: torch.Tensor) -> torch.Tensor:
        """One affine map an image; what comes in from outside repeats the border."""
        rows, _, height, width = images.shape
        draw = torch.rand(rows, 5, device=images.device) * 2 - 1
        angle = draw[:, 0] * math.radians(self.rotation)
        size = 1 / (1 + draw[:, 1] * self.scale)
        flip = torch.where(draw[:, 2] < 0, -1.0, 1.0) if self.mirror else torch.ones_like(size)
        cosine, sine = angle.cos() * size, angle.sin() * size
        # affine_grid's coordinates run from -1 to 1 on both axes, so a turn has to undo the picture's proportions.
        maps = torch.stack(
            [
                torch.stack([flip * cosine, -sine * height / width, draw[:, 3] * 2 * self.shift], dim=1),
                torch.stack([flip * sine * width / height, cosine, draw[:, 4] * 2 * self.shift], dim=1),
            ],
            dim=1,
        )
        grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def _erased(self, images: torch.Tensor) -> torch.Tensor:
        """A square of each image becomes the image's mean."""
        rows, _, height, width = images.shape
        side = max(1, round(self.erase * min(height, width)))
        corner = torch.rand(rows, 2, device=images.device)
        top = (corner[:, :1] * (height - side + 1)).floor()
        left = (corner[:, 1:] * (width - side + 1)).floor()
        y = torch.arange(height, device=images.device)
        x = torch.arange(width, device=images.device)
        in_rows = (y >= top) & (y < top + side)
        in_columns = (x >= left) & (x < left + side)
        hole = (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
        return torch.where(hole, images.mean(dim=(1, 2, 3), keepdim=True), images)


def _jitter(amount: float) -> list[Any]:
    if not amount:
        return []
    from kornia.augmentation import ColorJiggle  # a second to import, so only where it is used

    return [ColorJiggle(amount, amount, amount, amount / 4)]


def _policy(strength: float) -> list[Any]:
    if not strength:
        return []
    from kornia.augmentation.auto import RandAugment

    return [RandAugment(n=1, m=max(1, round(strength * _STRONGEST)))]
