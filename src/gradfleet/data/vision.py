"""Images as tensors of one size: decoded, turned upright, brought to one mode, resized."""

from __future__ import annotations

import io
import math
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from gradfleet.data.bit_depth import Range, eight_bits, is_deep, ranges_of
from gradfleet.data.fingerprint import of_json
from gradfleet.data.problems import LIMIT, counted, listed
from gradfleet.errors import DataError

_GREY = ("1", "L", "LA", "La")
_ORIENTATION, _QUARTER_TURNS = 0x0112, (5, 6, 7, 8)
_SMALLEST = 2
_LOOKED_AT = 100  # deep images, to tell how deep they are
_ALMOST_GREY = 24  # of 255: JPEG's rounding colours a grey image by a few


@dataclass(frozen=True, slots=True)
class ImagePreparation:
    """Images as uint8 tensors (channels, height, width); what is None is chosen from the training images.

    EXIF orientation is applied, transparency is laid over white, greys of more bits keep their upper 8, of several
    frames the first is taken, and the image is stretched to the size (bilinear, antialiased).

    Attributes:
        size: (height, width). Chosen: the one that all training images have, else the medians of their heights and
            widths; scaled down so that the longer side is at most `largest`.
        channels: 1 (grey) or 3 (RGB). Chosen: 1 when every training image is grey.
        largest: pixels of the longer side of a chosen size; 224 is what pretrained networks expect.
        refuses_colour: whether an image with colours is an error where channels is 1; `fit` says so when it chooses
            1 itself, because what the model knows of greys says nothing of colours.
        integer_range: what is black and what is white in greys that are integers of more than 8 bits, such as
            (0, 4095) for 12. Chosen: from training images that have such greys; without, they are taken for 16 bits.
        float_range: the same of greys that are floats; without, those up to 1 are fractions of white.

    Example:
        >>> preparation = ImagePreparation(size=(2, 3), channels=1)
        >>> preparation.apply(Image.new("RGB", (30, 20), "white")).shape
        torch.Size([1, 2, 3])
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    largest: int = 224
    refuses_colour: bool = False
    integer_range: Range | None = None
    float_range: Range | None = None

    name: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        problems = []
        if self.size is not None and min(self.size) < 1:
            problems.append(f"An image's size is (height, width) in pixels, got {self.size!r}.")
        if self.channels not in (None, 1, 3):
            problems.append(f"An image has 1 channel (grey) or 3 (RGB), got {self.channels!r}.")
        for name, given in (("integer_range", self.integer_range), ("float_range", self.float_range)):
            if given is not None and not _is_range(given):
                problems.append(f"{name} is (black, white), black below white, such as (0, 4095), got {given!r}.")
        if self.largest < _SMALLEST:
            problems.append(f"The longer side needs at least {_SMALLEST} pixels, got largest={self.largest!r}.")
        if problems:
            raise DataError(problems)

    @property
    def key(self) -> str:
        return of_json(self.to_json())

    def fit(self, examples: Sequence[Any]) -> Self:
        """Choose from the headers of the training images; but for some of more than 8 bits, nothing is decoded."""
        if None not in (self.size, self.channels, self.integer_range, self.float_range):
            return self
        headers = list(_headers(examples))
        if not headers:
            raise DataError(
                f"None of the {counted(len(examples), 'training image')} can be read, beginning with "
                f"{listed(map(_called, examples[:LIMIT]))}. Are these images?"
            )
        sizes = [(one.height, one.width) for one in headers]
        channels = 1 if all(one.is_grey for one in headers) else 3
        deep = [one.example for one in headers if is_deep(one.mode)]
        integers, floats = ranges_of(_decoded(deep[:: len(deep) // _LOOKED_AT + 1]))
        return replace(
            self,
            size=self.size or self._fitting(sizes),
            channels=self.channels or channels,
            refuses_colour=self.refuses_colour or (self.channels is None and channels == 1),
            integer_range=self.integer_range or integers,
            float_range=self.float_range or floats,
        )

    def _fitting(self, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
        height, width = (statistics.median_low(side) for side in zip(*sizes, strict=True))
        scale = min(1.0, self.largest / max(height, width))
        return max(round(height * scale), 1), max(round(width * scale), 1)

    def apply(self, example: Any) -> torch.Tensor:
        """A path, encoded bytes, a Pillow image, or a uint8 array (height, width[, 1, 3 or 4]) as a tensor.

        Raises:
            DataError: it is none of these or cannot be decoded whole.
        """
        if self.size is None or self.channels is None:
            raise DataError("An ImagePreparation needs a size and channels: pass both, or use what fit() returns.")
        height, width = self.size
        mode = "L" if self.channels == 1 else "RGB"
        try:
            with _opened(example) as image:
                _refuse_size(image, example)
                # A large JPEG is decoded at a fraction of its size, never below twice what is needed.
                image.draft(None, (2 * max(self.size), 2 * max(self.size)))
                image.load()
                if self.refuses_colour:
                    _refuse_colour(image, example)
                resized = self._in_mode(_upright(image), mode).resize((width, height), Image.Resampling.BILINEAR)
        except DataError:
            raise
        except Exception as problem:  # Pillow's plugins raise whatever damaged bytes lead them to
            raise DataError(f"{_called(example)} cannot be read as an image: {_reason(problem)}.") from problem
        pixels = torch.from_numpy(np.array(resized))
        return pixels[None] if mode == "L" else pixels.permute(2, 0, 1).contiguous()

    def _in_mode(self, image: Image.Image, mode: str) -> Image.Image:
        if is_deep(image.mode):
            image = eight_bits(image, self.integer_range, self.float_range)
        if image.has_transparency_data:
            coloured = image.convert("RGBA")
            white = Image.new("RGBA", coloured.size, "white")
            image = Image.alpha_composite(white, coloured)
        return image.convert(mode)

    def to_json(self) -> dict[str, Any]:
        lists = {name: list(value) for name, value in asdict(self).items() if isinstance(value, tuple)}
        return {"preparation": self.name, **asdict(self), **lists}

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> ImagePreparation:
        size = settings["size"]
        ranges = [settings.get(name) and tuple(settings[name]) for name in ("integer_range", "float_range")]
        colour = settings.get("refuses_colour", False)
        return cls(size and (int(size[0]), int(size[1])), settings["channels"], settings["largest"], colour, *ranges)


@dataclass(frozen=True, slots=True)
class _Header:
    """What an image says of itself before it is decoded, upright."""

    example: Any
    height: int
    width: int
    mode: str

    @property
    def is_grey(self) -> bool:
        return _is_grey(self.mode)


def _headers(examples: Sequence[Any]) -> Iterator[_Header]:
    """Of each image that has a readable one; `apply` names the others."""
    for example in examples:
        try:
            with _opened(example) as image:
                width, height = reversed(image.size) if _lying(image) else image.size
                yield _Header(example, height, width, image.mode)
        except Exception:
            continue


def _decoded(examples: Sequence[Any]) -> Iterator[Image.Image]:
    """Each image that can be; `apply` names the others."""
    for example in examples:
        with suppress(Exception), _opened(example) as image:
            _refuse_size(image, example)
            image.load()
            yield image


def _is_range(given: Any) -> bool:
    numbers = isinstance(given, tuple) and len(given) == 2 and all(isinstance(one, Real) for one in given)
    return numbers and -math.inf < given[0] < given[1] < math.inf


def _is_grey(mode: str) -> bool:
    return mode in _GREY or is_deep(mode)


def _lying(image: Image.Image) -> bool:
    # getexif() decodes a PNG when its header has none.
    known = "exif" in image.info or image.format == "TIFF"
    return known and image.getexif().get(_ORIENTATION) in _QUARTER_TURNS


def _opened(example: Any) -> Image.Image:
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


def _refuse_size(image: Image.Image, example: Any) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    pixels = f"{_called(example)} has {image.width} x {image.height} pixels"
    if limit is not None and image.width * image.height > limit:
        raise DataError(f"{pixels}; at most {limit:,} are decoded.")
    if min(image.size) < _SMALLEST:
        raise DataError(f"{pixels}; an image needs at least {_SMALLEST} x {_SMALLEST}.")


def _refuse_colour(image: Image.Image, example: Any) -> None:
    """Raise when an image is not grey; one of another mode may hold nothing but greys all the same."""
    if _is_grey(image.mode):
        return
    pixels = np.asarray(image.convert("RGB"), np.int16)
    if np.abs(pixels - pixels[..., :1]).max() > _ALMOST_GREY:
        raise DataError(
            f"{_called(example)} has colours (mode {image.mode}), but every training image was grey. Convert it to "
            'grey, image.convert("L"), or train on colours too: ImagePreparation(channels=3).'
        )


def _from_array(pixels: np.ndarray[Any, Any]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise DataError(
            "An image array needs to be uint8 of shape (height, width) or (height, width, 1, 3 or 4), "
            f"got {pixels.dtype} of shape {pixels.shape}."
        )
    if 0 in pixels.shape:
        raise DataError(f"An image array needs pixels, got shape {pixels.shape}.")
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata of a sound image
        return image.copy()


def _called(example: Any) -> str:
    return str(example) if isinstance(example, str | os.PathLike) else f"An item of type {type(example).__name__}"


def _reason(problem: Exception) -> str:
    if isinstance(problem, UnidentifiedImageError):
        return "its bytes are of no image format that is known"
    if isinstance(problem, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it has more than the {Image.MAX_IMAGE_PIXELS:,} pixels that are decoded"
    return str(problem).rstrip(".") or type(problem).__name__
