"""Curves: how a number goes from the first step of a fit to its last, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Literal, get_args

from gradfleet.errors import SettingError, unknown_name

Shape = Literal["constant", "cosine", "exponential", "linear"]
Every = Literal["step", "epoch"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a curve: from `start` to `end` over a `share` of the fit, in proportion to the other pieces' shares."""

    shape: Shape
    start: float
    end: float
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.shape not in get_args(Shape):
            raise SettingError(unknown_name("shape of a curve", self.shape, get_args(Shape)))
        if not (math.isfinite(self.start) and math.isfinite(self.end)):
            raise SettingError(f"A curve goes between two numbers, got {self.start!r} and {self.end!r}.")
        if self.shape == "exponential" and not (self.start > 0 and self.end > 0):
            raise SettingError(
                f"An exponential curve needs a start and an end above 0, got {self.start} and {self.end}."
            )
        if not 0 < self.share < math.inf:
            raise SettingError(f"A piece of a curve needs a share above 0, got {self.share!r}.")

    def at(self, progress: float) -> float:
        """The value after this part of the piece, from 0 to 1."""
        if self.shape == "constant":
            return self.start
        if self.shape == "linear":
            return self.start + (self.end - self.start) * progress
        if self.shape == "exponential":
            return self.start * math.pow(self.end / self.start, progress)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True, slots=True)
class Curve:
    """A number over a fit: pieces that follow each other, each beginning with a whole step (or epoch).

    Attributes:
        every: whether the number moves after every step of the optimizer or after every epoch.
        reaches_end: whether the last step is taken with the end value; else that is what is left after it.
        relative: whether the values are factors of what the optimizer was made with.

    Example:
        >>> cosine(1.0, 0.0).values(4)
        [1.0, 0.8535533905932737, 0.5, 0.14644660940672627]
        >>> Curve((Piece("linear", 0.0, 1.0), Piece("constant", 1.0, 1.0))).values(4)
        [0.0, 0.5, 1.0, 1.0]
    """

    pieces: tuple[Piece, ...]
    every: Every = "step"
    reaches_end: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        if not self.pieces or not all(isinstance(piece, Piece) for piece in self.pieces):
            raise SettingError(f"A curve is made of one or more Pieces, got {self.pieces!r}.")
        if self.every not in get_args(Every):
            raise SettingError(unknown_name("pace of a curve", self.every, get_args(Every)))

    def at(self, index: int, total: int) -> float:
        """The value of step `index`, counted from 0, when there are `total` of them."""
        return self.over(total)(index)

    def over(self, total: int) -> Callable[[int], float]:
        """What gives the value of each step, counted from 0, when there are `total` of them."""
        bounds = self._bounds(total)
        spans = list(zip(self.pieces, [0, *bounds], bounds, strict=False))
        last = self.pieces[-1].at(1.0)

        def value(index: int) -> float:
            for piece, start, end in spans:
                if index < end:
                    return piece.at((index - start) / (end - start))
            return last

        return value

    def values(self, total: int) -> list[float]:
        """The values of all steps, when there are `total` of them."""
        return list(map(self.over(total), range(total)))

    def of_own_value(self) -> Curve:
        """The same curve in factors of the value that the optimizer was made with."""
        return replace(self, relative=True)

    def to_json(self) -> dict[str, Any]:
        pieces = [[piece.shape, piece.start, piece.end, piece.share] for piece in self.pieces]
        return {"curve": pieces, "every": self.every, "reaches_end": self.reaches_end, "relative": self.relative}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Curve:
        pieces = tuple(Piece(*piece) for piece in values["curve"])
        return cls(pieces, values["every"], values["reaches_end"], values["relative"])

    def _bounds(self, total: int) -> list[int]:
        """The step at which each piece is over."""
        last = max(1, total - self.reaches_end)
        shares = list(accumulate(piece.share for piece in self.pieces))
        return [round(last * share / shares[-1]) for share in shares]


def constant(value: float, *, every: Every = "step") -> Curve:
    """The same value all the time."""
    return Curve((Piece("constant", value, value),), every)


def linear(start: float, end: float, *, every: Every = "step") -> Curve:
    """A straight line."""
    return Curve((Piece("linear", start, end),), every)


def exponential(start: float, end: float, *, every: Every = "step") -> Curve:
    """The same factor from each step to the next."""
    return Curve((Piece("exponential", start, end),), every)


def cosine(start: float, end: float = 0.0, *, every: Every = "step") -> Curve:
    """Half a cosine wave: flat at both ends."""
    return Curve((Piece("cosine", start, end),), every)


def warmup_cosine(highest: float, end: float = 0.0, *, warmup: float = 0.1, every: Every = "step") -> Curve:
    """A straight line from 0 to `highest` over the share `warmup` of the fit, then half a cosine wave to `end`."""
    return _in_two("warmup", warmup, Piece("linear", 0.0, highest), Piece("cosine", highest, end), every)


def flat_cosine(highest: float, end: float | None = None, *, flat: float = 0.75, every: Every = "step") -> Curve:
    """`highest` for the share `flat` of the fit, then half a cosine wave to `end`; fastai's `fit_flat_cos`.

    Args:
        end: `highest` / 100,000 unless it is given.
    """
    last = highest / 1e5 if end is None else end
    return _in_two("flat", flat, Piece("constant", highest, highest), Piece("cosine", highest, last), every)


def one_cycle(highest: float, *, peak: float = 0.25) -> Curve:
    """Up from a 25th of `highest` and down to a 100,000th of it, both as half a cosine wave.

    Smith and Topin 2018 with fastai's numbers and shape (`fit_one_cycle`); the highest value comes after the share
    `peak` of the steps, and the last step has the lowest. By its name, `schedule="one_cycle"`, momentum goes along,
    see `momentum_cycle`.
    """
    return _cycle(highest / 25, highest, highest / 1e5, peak)


def momentum_cycle(high: float = 0.95, low: float = 0.85, *, peak: float = 0.25) -> Curve:
    """What momentum does in one cycle: low where the learning rate is high."""
    return _cycle(high, low, high, peak)


def restarts(highest: float, end: float = 0.0, *, cycles: int = 3, growth: float = 2.0, every: Every = "step") -> Curve:
    """Half a cosine wave from `highest` to `end`, again and again (Loshchilov and Hutter 2017).

    Args:
        growth: how many times as long as the one before each cycle is.
    """
    if cycles < 1:
        raise SettingError(f"At least 1 cycle is needed, got {cycles!r}.")
    return Curve(tuple(Piece("cosine", highest, end, growth**number) for number in range(cycles)), every)


def _cycle(first: float, middle: float, last: float, peak: float) -> Curve:
    curve = _in_two("peak", peak, Piece("cosine", first, middle), Piece("cosine", middle, last), "step")
    return replace(curve, reaches_end=True)


def _in_two(name: str, share: float, first: Piece, second: Piece, every: Every) -> Curve:
    if not 0 < share < 1:
        raise SettingError(f"{name} is a share of the fit between 0 and 1, got {share!r}.")
    return Curve((replace(first, share=share), replace(second, share=1 - share)), every)
