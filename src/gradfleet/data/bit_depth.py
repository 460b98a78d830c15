"""Grey images of more than 8 bits: which value in them is white, and the 8 bits that are learned from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

_WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32))


def is_deep(mode: str) -> bool:
    """Whether an image of this mode of Pillow's has greys of more than 8 bits: integers, or floats."""
    return mode.startswith("I") or mode == "F"


def white_of(images: Iterable[Image.Image]) -> int:
    """The value that is white where these are the deepest images: 1, or the largest number of 8, 10, 12 bits and so on.

    A scanner's 12 bits come in files of 16, and a microscope's floats up to 1 or up to any of these.
    """
    largest, whole = 0.0, False
    for image in images:
        pixels = np.asarray(image)
        largest = max(largest, float(np.nan_to_num(pixels, posinf=0.0).max(initial=0.0)))
        whole = whole or image.mode != "F"
    if largest <= 1 and not whole:
        return 1
    return next((white for white in _WHITES if largest <= white), _WHITES[-1])


def eight_bits(image: Image.Image, white: int | None) -> Image.Image:
    """Greys from 0 to 255.

    Args:
        white: see `white_of`; where nobody knows, integers are taken as 16 bits, and floats up to 1 as fractions of
            white.
    """
    pixels = np.asarray(image)
    if image.mode == "F":
        pixels = np.nan_to_num(pixels)
        scale = 255 / white if white is not None else 255 if pixels.max() <= 1 else 1
        return Image.fromarray(np.clip(np.round(pixels * scale), 0, 255).astype(np.uint8))
    steps = (65535 if white is None else max(white, 255)) + 1
    return Image.fromarray((np.clip(pixels.astype(np.int64), 0, steps - 1) * 256 // steps).astype(np.uint8))
