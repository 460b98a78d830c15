"""Images in arrays, in whatever order their axes are, as networks take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gradfleet.errors import DataError
from gradfleet.tasks import channels_first


def pictures(data: Any) -> Any:
    """A pair (images, labels) with the images' channels first and integers as bytes; anything else as it is.

    Raises:
        DataError: integers that are no pixels from 0 to 255.
    """
    if not isinstance(data, tuple) or len(data) != 2 or not _are_numbers(data[0]):
        return data
    images = torch.as_tensor(data[0])
    if not images.is_floating_point() and images.dtype != torch.uint8:
        images = _bytes(images)
    return channels_first(images), data[1]


def _are_numbers(given: Any) -> bool:
    return isinstance(given, torch.Tensor) or (isinstance(given, np.ndarray) and given.dtype.kind in "biuf")


def _bytes(images: torch.Tensor) -> torch.Tensor:
    pixels = images.long()
    if pixels.numel() and not 0 <= int(pixels.min()) <= int(pixels.max()) <= 255:
        raise DataError(
            f"Pixels need to be integers from 0 to 255 or floats from 0 to 1, got {int(pixels.min())} to "
            f"{int(pixels.max())}. Divide them by the largest there can be."
        )
    return pixels.to(torch.uint8)
