"""Images as tensors of one size: decoded, turned upright, brought to one mode, resized."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Real
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from PIL import Image, ImageOps

from gradfleet.data.bit_depth import Range, eight_bits, is_deep, ranges_of
from gradfleet.data.fingerprint import of_json
from gradfleet.data.opened_images import (
    SMALLEST,
    called,
    decoded,
    headers,
    opened,
    reason_of,
    refuse_colour,
    refuse_size,
    upright,
)
from gradfleet.data.preparation import Preparation
from gradfleet.data.problems import LIMIT, counted, listed
from gradfleet.errors import DataError, unknown_name

_LOOKED_AT = 100  # deep images, to tell how deep they are
Resize = Literal["crop", "pad", "stretch"]
_RESIZED: Mapping[Resize, Callable[[Image.Image, tuple[int, int], Image.Resampling], Image.Image]] = {
    "crop": ImageOps.fit,
    "pad": lambda image, size, method: ImageOps.pad(image, size, method, color="white"),
    "stretch": lambda image, size, method: image.resize(size, method),
}
_DOES = {"crop": "is cropped", "pad": "is padded with white", "stretch": "is stretched"}


@dataclass(frozen=True, slots=True)
class ImagePreparation:
    """Images as uint8 tensors (channels, height, width); what is None is chosen from the training images.

    EXIF orientation is applied, transparency is laid over white, greys of more bits keep their upper 8, of several
    frames the first is taken, and the image is brought to the size (bilinear, antialiased).

    Attributes:
        size: (height, width). Chosen: the one that all training images have, else the medians of their heights and
            widths; scaled down so that the longer side is at most `largest`.
        channels: 1 (grey) or 3 (RGB). Chosen: 1 when every training image is grey.
        largest: pixels of the longer side of a chosen size; 224 is what pretrained networks expect.
        refuses_colour: whether an image with colours is an error where channels is 1; `fit` says so when it chooses
            1 itself, because what the model knows of greys says nothing of colours.
        integer_range: what is black and what is white in greys that are integers of more than 8 bits, such as
            (0, 4095) for 12. Chosen: from training images that have such greys; without, they are taken for 16 bits,
            and those of an image that has none above 255 for 8.
        float_range: the same of greys that are floats; without, those up to 1 are fractions of white.
        resize: what becomes of images of other proportions: "crop" keeps their middle, "pad" adds white, "stretch"
            distorts them. Chosen: "crop" where that keeps at least half of the training images' pixels, else "stretch".
        square: whether a chosen size is square, as pretrained networks expect it, where a crop keeps as much of them.

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
    resize: Resize | None = None
    square: bool = False

    name: ClassVar[str] = "image"
    least_kept: ClassVar[float] = 0.5
    """Of the pixels, that a crop which nobody asked for leaves."""

    def __post_init__(self) -> None:
        problems = []
        if self.size is not None and min(self.size) < 1:
            problems.append(f"An image's size is (height, width) in pixels, got {self.size!r}.")
        if self.channels not in (None, 1, 3):
            problems.append(f"An image has 1 channel (grey) or 3 (RGB), got {self.channels!r}.")
        for name, given in (("integer_range", self.integer_range), ("float_range", self.float_range)):
            if given is not None and not _is_range(given):
                problems.append(f"{name} is (black, white), black below white, such as (0, 4095), got {given!r}.")
        if self.largest < SMALLEST:
            problems.append(f"The longer side needs at least {SMALLEST} pixels, got largest={self.largest!r}.")
        if self.resize not in (None, *get_args(Resize)):
            problems.append(unknown_name("way to resize", self.resize, get_args(Resize)))
        if problems:
            raise DataError(problems)

    @property
    def key(self) -> str:
        return of_json(self.to_json())

    def fit(self, examples: Sequence[Any]) -> Self:
        """Choose from the headers of the training images; but for some of more than 8 bits, nothing is decoded."""
        if None not in (self.size, self.channels, self.integer_range, self.float_range, self.resize):
            return self
        found = list(headers(examples))
        if not found:
            raise DataError(
                f"None of the {counted(len(examples), 'training image')} can be read, beginning with "
                f"{listed(map(called, examples[:LIMIT]))}. Are these images?"
            )
        sizes = [(one.height, one.width) for one in found]
        size = self.size or self._fitting(sizes)
        channels = 1 if all(one.is_grey for one in found) else 3
        deep = [one.example for one in found if is_deep(one.mode)]
        integers, floats = ranges_of(decoded(deep[:: len(deep) // _LOOKED_AT + 1]))
        return replace(
            self,
            size=size,
            channels=self.channels or channels,
            refuses_colour=self.refuses_colour or (self.channels is None and channels == 1),
            integer_range=self.integer_range or integers,
            float_range=self.float_range or floats,
            resize=self.resize or ("crop" if _kept(sizes, size) >= self.least_kept else "stretch"),
        )

    def _fitting(self, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
        height, width = (statistics.median_low(side) for side in zip(*sizes, strict=True))
        if self.square and _kept(sizes, (1, 1)) >= self.least_kept:
            height = width = min(height, width)
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
            with opened(example) as image:
                refuse_size(image, example)
                # A large JPEG is decoded at a fraction of its size, never below twice what is needed.
                image.draft(None, (2 * max(self.size), 2 * max(self.size)))
                image.load()
                if self.refuses_colour:
                    refuse_colour(image, example)
                whole = self._in_mode(upright(image), mode)
                resized = _RESIZED[self.resize or "crop"](whole, (width, height), Image.Resampling.BILINEAR)
        except DataError:
            raise
        except Exception as problem:  # Pillow's plugins raise whatever damaged bytes lead them to
            raise DataError(f"{called(example)} cannot be read as an image: {reason_of(problem)}.") from problem
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
        ranges = {name: settings.get(name) and tuple(settings[name]) for name in ("integer_range", "float_range")}
        return cls(
            size and (int(size[0]), int(size[1])),
            settings["channels"],
            settings["largest"],
            settings.get("refuses_colour", False),
            resize=settings.get("resize", "stretch"),  # which was all there was before it could be said
            square=settings.get("square", False),
            **ranges,
        )


def said_of_images(preparation: Preparation, shape: Sequence[int]) -> str:
    """What a fitted preparation has made of images, now of this shape, in a sentence or two."""
    if not isinstance(preparation, ImagePreparation):
        return f"Each image is prepared once, to the shape {tuple(shape)}."
    channels, height, width = shape
    ranges = {"integers": preparation.integer_range, "floats": preparation.float_range}
    deep = [f" In greys of {kind} {one[0]:g} is black and {one[1]:g} white." for kind, one in ranges.items() if one]
    colours = "grey" if channels == 1 else "RGB"
    does = _DOES[preparation.resize or "crop"]
    said = f"{colours}, {height} pixels high and {width} wide; one of other proportions {does}."
    return f"Images are prepared once: {said}{''.join(deep)}"


def _kept(sizes: Sequence[tuple[int, int]], size: tuple[int, int]) -> float:
    """The part of the pixels that is left when images of (height, width) are cropped to the proportions of `size`."""
    wanted = size[1] / size[0]
    return statistics.fmean(min(width / height / wanted, wanted * height / width) for height, width in sizes)


def _is_range(given: Any) -> bool:
    numbers = isinstance(given, tuple) and len(given) == 2 and all(isinstance(one, Real) for one in given)
    return numbers and -math.inf < given[0] < given[1] < math.inf
