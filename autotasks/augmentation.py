"""Augmentation of image batches, on whatever device they are: a few tensor lines, under a fifth of a step."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


class Augmentation(Callback):
    """Moves, turns, scales and mirrors every image of a training batch by its own random amounts.

    Validation batches are never touched. Everything random comes from torch's seeded generator.

    Args:
        shift: at most this fraction of a side, in each direction.
        rotation: at most so many degrees, either way.
        scale: at most this fraction larger or smaller.
        mirror: every second image from left to right, by chance.
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
        erase: float = 0.0,
    ) -> None:
        self.shift = shift
        self.rotation = rotation
        self.scale = scale
        self.mirror = mirror
        self.erase = erase

    def on_batch_start(self, context: Context) -> None:
        images, targets = context.batch
        context.batch = self(images), targets

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Augmented images of the same shape (rows, channels, height, width), as floats 0..1 when pixels came."""
        if images.dtype == torch.uint8:
            images = images.float() / 255
        if self.shift or self.rotation or self.scale or self.mirror:
            images = self._moved(images)
        if self.erase:
            images = self._erased(images)
        return images

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
