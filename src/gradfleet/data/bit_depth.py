"""Grey images of more than 8 bits: what is black and white in them, and the 8 bits that are learned from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Range = tuple[float, float]
"""The values of black and of white."""

_WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32))
_BRIGHTEST = float(np.finfo(np.float32).max)
_ABOUT_1 = 1.01  # what computations make of floats up to 1


def is_deep(mode: str) -> bool:
    """Whether an image of this mode of Pillow's has greys of more than 8 bits: integers, or floats."""
    return mode.startswith("I") or mode == "F"


def ranges_of(images: Iterable[Image.Image]) -> tuple[Range | None, Range | None]:
    """Of the images of integers, and of those of floats; None where there are none.

    Integers end at the largest number of 8, 10, 12 bits and so on that holds all, for a scanner's 12 bits come in
    files of 16. Floats are from 0 to 1, or to the largest that there is. Where some are below 0, such as those of
    computed tomography, the range is from the smallest to the largest.
    """
    integers: Range | None = None
    floats: Range | None = None
    for image in images:
        pixels = np.asarray(image)
        found = pixels[np.isfinite(pixels)] if image.mode == "F" else pixels
        if not found.size:
            continue
        seen = float(found.min()), float(found.max())
        if image.mode == "F":
            floats = _both(floats, seen)
        else:
            integers = _both(integers, seen)
    return _of_integers(integers), _of_floats(floats)


def eight_bits(image: Image.Image, integers: Range | None, floats: Range | None) -> Image.Image:
    """Greys from 0 to 255.

    Args:
        integers, floats: see `ranges_of`; where nobody knows, integers are taken as 16 bits, which would make those of
            an image that has none above 255 black, so they are taken as they are; floats up to 1 as fractions of
            white, others as they are.
    """
    pixels = np.asarray(image)
    if image.mode == "F":
        known = np.nan_to_num(pixels.astype(np.float64), posinf=_BRIGHTEST, neginf=0.0)
        black, white = floats or ((0.0, 1.0) if known.max() <= _ABOUT_1 else (0.0, 255.0))
        return _image(np.round((known - black) * (255 / (white - black))))
    black, white = map(int, integers or (0, 65535 if pixels.max() > _WHITES[0] else _WHITES[0]))
    return _image((pixels.astype(np.int64) - black) * 256 // (white - black + 1))


def _image(greys: npt.NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.clip(greys, 0, 255).astype(np.uint8))


def _both(one: Range | None, other: Range) -> Range:
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))


def _of_integers(seen: Range | None) -> Range | None:
    if seen is None:
        return None
    if seen[0] < 0:
        return seen[0], max(seen[1], seen[0] + 1)
    return 0, next((white for white in _WHITES if seen[1] <= white), _WHITES[-1])


def _of_floats(seen: Range | None) -> Range | None:
    if seen is None:
        return None
    black, white = min(seen[0], 0.0), seen[1]
    return (black, 1.0) if black == 0 and white <= _ABOUT_1 else (black, max(white, black + 1))
