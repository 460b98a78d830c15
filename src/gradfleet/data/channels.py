"""Images in arrays: where their channels are."""

from __future__ import annotations

from collections.abc import Sequence

import torch

_CHANNELS = (1, 3, 4)  # grey, RGB, and RGB with transparency


def channels_first(images: torch.Tensor) -> torch.Tensor:
    """Images as (rows, channels, height, width): of (rows, height, width), and with the channels last, too.

    Example:
        >>> channels_first(torch.zeros(2, 28, 28)).shape, channels_first(torch.zeros(2, 32, 24, 3)).shape
        (torch.Size([2, 1, 28, 28]), torch.Size([2, 3, 32, 24]))
    """
    if images.dim() == 3:
        return images[:, None]
    if images.dim() == 4 and images.shape[3] in _CHANNELS and images.shape[1] not in _CHANNELS:
        return images.movedim(3, 1)
    return images


def shaped(inputs: torch.Tensor, input_shape: Sequence[int]) -> torch.Tensor:
    """The inputs; where they are images as training saw them but for the place of their channels, with those first."""
    if len(input_shape) != 3 or tuple(inputs.shape[1:]) == tuple(input_shape):
        return inputs
    moved = channels_first(inputs)
    return moved if tuple(moved.shape[1:]) == tuple(input_shape) else inputs
