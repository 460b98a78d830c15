"""Image files and what else holds an image, opened: headers, pixels, and what is refused."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gradfleet.data.bit_depth import is_deep
from gradfleet.errors import DataError

SMALLEST = 2
"""Pixels of the shorter side that an image needs."""

_GREY = ("1", "L", "LA", "La")
_ORIENTATION, _QUARTER_TURNS = 0x0112, (5, 6, 7, 8)
_ALMOST_GREY = 24  # of 255: JPEG's rounding colours a grey image by a few


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself before it is decoded, upright."""

    example: Any
    height: int
    width: int
    mode: str

    @property
    def is_grey(self) -> bool:
        return _is_grey(self.mode)


def headers(examples: Sequence[Any]) -> Iterator[Header]:
    """Of each image that has a readable one; `apply` names the others."""
    for example in examples:
        try:
            with opened(example) as image:
                width, height = reversed(image.size) if _lying(image) else image.size
                yield Header(example, height, width, image.mode)
        except Exception:
            continue


def decoded(examples: Sequence[Any]) -> Iterator[Image.Image]:
    """Each image that can be; `apply` names the others."""
    for example in examples:
        with suppress(Exception), opened(example) as image:
            refuse_size(image, example)
            image.load()
            yield image


def _is_grey(mode: str) -> bool:
    return mode in _GREY or is_deep(mode)


def _lying(image: Image.Image) -> bool:
    # getexif() decodes a PNG when its header has none.
    known = "exif" in image.info or image.format == "TIFF"
    return known and image.getexif().get(_ORIENTATION) in _QUARTER_TURNS


def opened(example: Any) -> Image.Image:
    """The image with its header read. What the caller holds stays as it is."""
    if isinstance(example, np.ndarray):
        return _from_array(example)
    if isinstance(example, Image.Image):
        return example.copy()
    if isinstance(example, bytes):
        return Image.open(io.BytesIO(example))
    if isinstance(example, str | os.PathLike):
        return Image.open(Path(example))
    raise DataError(
        f"An image needs to be a path, encoded bytes, a Pillow image or a uint8 array, got {type(example).__name__}."
    )


def refuse_size(image: Image.Image, example: Any) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    pixels = f"{called(example)} has {image.width} x {image.height} pixels"
    if limit is not None and image.width * image.height > limit:
        raise DataError(f"{pixels}; at most {limit:,} are decoded.")
    if min(image.size) < SMALLEST:
        raise DataError(f"{pixels}; an image needs at least {SMALLEST} x {SMALLEST}.")


def refuse_colour(image: Image.Image, example: Any) -> None:
    """Raise when an image is not grey; one of another mode may hold nothing but greys all the same."""
    if _is_grey(image.mode):
        return
    pixels = np.asarray(image.convert("RGB"), np.int16)
    if np.abs(pixels - pixels[..., :1]).max() > _ALMOST_GREY:
        raise DataError(
            f"{called(example)} has colours (mode {image.mode}), but every training image was grey. Convert it to "
            'grey, image.convert("L"), or train on colours too: ImagePreparation(channels=3).'
        )


def is_one_image(pixels: np.ndarray[Any, Any]) -> bool:
    """Whether an array is (height, width) or (height, width, channels), and no list of images."""
    return pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))


def _from_array(pixels: np.ndarray[Any, Any]) -> Image.Image:
    if pixels.dtype != np.uint8 or not is_one_image(pixels):
        raise DataError(
            "An image array needs to be uint8 of shape (height, width) or (height, width, 1, 3 or 4), "
            f"got {pixels.dtype} of shape {pixels.shape}."
        )
    if 0 in pixels.shape:
        raise DataError(f"An image array needs pixels, got shape {pixels.shape}.")
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels)


def upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata of a sound image
        return image.copy()


def called(example: Any) -> str:
    if isinstance(example, str | os.PathLike):
        return str(example) or "A path without a name"
    return f"An item of type {type(example).__name__}"


def reason_of(problem: Exception) -> str:
    if isinstance(problem, UnidentifiedImageError):
        return "its bytes are of no image format that is known"
    if isinstance(problem, FileNotFoundError) and os.path.islink(problem.filename or ""):
        return f"it is a link to {os.readlink(problem.filename)}, and there is nothing there"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    if isinstance(problem, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it has more than the {Image.MAX_IMAGE_PIXELS:,} pixels that are decoded"
    return str(problem).rstrip(".") or type(problem).__name__
