"""How large an image search may be: the networks, input sizes and epochs that its time allows on its machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from autotasks.image_encoders import EncoderShape, sides_of
from autotasks.speed import seconds_a_row
from autotasks.vision_networks import cnn, resnet, vit
from gradfleet.tasks import Config, DataFacts, Narrowing, Situation, Tailoring

WHOLE = 0.4
"""Of the search's time, what one whole trial may take: each worker then has two of them and many short ones."""

_ROWS_LEARNED = 120_000  # in a whole trial: 15 epochs of 8,000 images
_MOST, _LEAST, _FINE_TUNED = 50, 12, 2  # epochs
_LONGER = 1.6  # times as many epochs as wanted, where a net that is one size larger would not fit
_STRETCH = 1.25  # a network may be so much slower than wanted, and is then trained for as many epochs fewer
_FORWARD = 0.4  # of a step's time
_BESIDE = 1.3  # of a step's time: augmentation, the optimizer, and validation on a quarter as many rows
_BRIEF = 60  # seconds of a search below which one kind of network is enough
_UNEVEN = 3  # times as many images of one class as of another
_SMALL = 32 * 32  # pixels up to which a perceptron on them is worth a trial
_GENTLE = 0.01, 0.05  # of the head's rate, and at most: few images could not mend what a pretrained network loses
_FEW = 1_000  # images, larger than small ones, from which nothing learns as much as a pretrained network knows
_LADDER: Mapping[str, tuple[Callable[..., nn.Module], str, tuple[int, ...]]] = {
    "cnn": (cnn, "channels", (8, 12, 16, 24, 32, 48, 64)),
    "resnet": (resnet, "channels", (8, 16, 32, 64)),
    "vit": (vit, "width", (64, 128, 192)),
}
_SIDES = {8: 32, 12: 32, 16: 64, 24: 64, 32: 96, 48: 128, 64: 128}
"""Pixels a side that go with so many channels: a network that must be small has more of a smaller picture."""


@dataclass(frozen=True, slots=True)
class Looking:
    """Of one pretrained network, the sides of images that there is time for, ascending, and what the largest takes.

    Attributes:
        tuned: for fine-tuning; empty where there is no time.
        epoch: seconds of fine-tuning at the last of `tuned`.
        probed: for a linear probe; empty where there is no time to compute the vectors.
    """

    tuned: tuple[int, ...]
    epoch: float
    probed: tuple[int, ...]

    @classmethod
    def within(cls, seconds: float, epoch: float, sides: Sequence[int]) -> Looking:
        """Args: `epoch` is that of the last side; the time goes with the number of pixels."""
        at = {side: epoch * (side / sides[-1]) ** 2 for side in sides}
        tuned = tuple(side for side in sides if at[side] * _FINE_TUNED <= 2 * WHOLE * seconds)
        probed = tuple(side for side in sides if at[side] * _FORWARD <= WHOLE * seconds)
        return cls(tuned, at[tuned[-1]] if tuned else math.inf, probed)


@dataclass(frozen=True, slots=True)
class Fitting:
    """The largest network of one kind whose whole training fits.

    Attributes:
        size: its channels or width.
        epoch: seconds.
    """

    size: int
    side: int
    epoch: float


class ImageSizes:
    """A `Tailor` that measures what a training step takes and chooses by that.

    Args:
        backbones: folders or hub names by the names of their architectures.
        known: the portfolio, of which those remain whose architecture does.
        epochs: of a trial, where the user said it.
        choices: the architectures that may be searched.
        is_free: whether the user has left their choice open.
    """

    def __init__(
        self,
        backbones: Mapping[str, str],
        *,
        known: Sequence[Config],
        epochs: int | None,
        choices: Sequence[str],
        is_free: bool = True,
    ) -> None:
        self._is_free = is_free
        self._backbones = dict(backbones)
        self._known = known
        self._epochs = epochs
        self._choices = choices

    def __call__(self, situation: Situation) -> Tailoring | None:
        if situation.seconds is None or not situation.is_here:
            return None
        facts = situation.data.open().facts
        rows, seconds = facts.num_rows["train"], situation.seconds
        wanted = self._epochs or min(_MOST, max(_LEAST, _ROWS_LEARNED // max(1, rows)))
        measure = partial(_epoch_seconds, facts=facts, situation=situation)
        looking = {name: self._looking(source, measure, seconds) for name, source in self._backbones.items()}
        tuned = [one.epoch for one in looking.values() if one.tuned]
        if tuned and self._epochs is None:  # what is fine-tuned counts most, and an epoch of it
            wanted = max(_FINE_TUNED, min(wanted, int(2 * WHOLE * seconds / max(tuned))))
        are_few = self._is_free and _are_few(facts, looking)
        kinds = [] if are_few else list(_LADDER) if seconds >= _BRIEF else ["cnn"]
        found = {name: fitting for name in kinds if (fitting := self._fitting(name, measure, WHOLE * seconds / wanted))}
        epochs = wanted
        if found and not tuned and self._epochs is None:
            epochs = max(1, min(_MOST, int(_LONGER * wanted), int(WHOLE * seconds / found["cnn"].epoch)))
        return self._tailoring(facts, found, looking, epochs, seconds)

    @staticmethod
    def _looking(source: str, measure: Callable[[Callable[..., nn.Module]], float], seconds: float) -> Looking:
        sides = sides_of(source)
        return Looking.within(seconds, measure(partial(EncoderShape, source=source, side=sides[-1])), sides)

    @staticmethod
    def _fitting(name: str, measure: Callable[[Callable[..., nn.Module]], float], allowed: float) -> Fitting | None:
        """Of a kind the largest whose epoch takes at most `allowed` seconds; the smallest convolutional net always.

        Sizes are measured from the smallest on, and no further than the first that does not fit.
        """
        build, word, sizes = _LADDER[name]
        best: Fitting | None = None
        for size in sizes:
            side = _SIDES[size] if word == "channels" else 64
            sized: dict[str, Any] = {word: size, "side": side}
            epoch = measure(partial(build, **sized))
            fits = epoch <= _STRETCH * allowed
            if fits or (best is None and name == "cnn"):
                best = Fitting(size, side, epoch)
            if not fits or epoch > allowed / _STRETCH:  # the next is never so little larger
                break
        return best

    def _tailoring(
        self,
        facts: DataFacts,
        found: Mapping[str, Fitting],
        looking: Mapping[str, Looking],
        epochs: int,
        seconds: float,
    ) -> Tailoring:
        tuned = [name for name, one in looking.items() if one.tuned]
        probes = [f"{name}-frozen" for name, one in looking.items() if one.probed]
        kept = [*found, *tuned, *probes, *(["mlp"] if _is_small(facts) else [])]
        choices = [one for one in self._choices if one in kept]
        narrowing: dict[str, Narrowing] = {"architecture": {"choices": choices, "default": (*probes, "cnn")[0]}}
        for name, fitting in found.items():
            narrowing |= _around(name, fitting, max(facts.input_shape[1:]))
        for name, one in looking.items():
            narrowing |= {f"architecture.{name}.side": _largest(one.tuned[-2:])} if one.tuned else {}
            narrowing |= {f"architecture.{name}-frozen.side": _largest(one.probed[-1:])} if one.probed else {}
        if tuned and not found:
            narrowing |= {"optimizer": "adamw", "layer_decay": {"high": _GENTLE[1], "default": _GENTLE[0]}}
        narrowing |= _weighing(facts) if found or tuned else {}
        known = tuple(config for config in self._known if config["architecture"] in choices)
        return Tailoring(narrowing, epochs, known, _said(facts, found, looking, epochs, seconds))


def _are_few(facts: DataFacts, looking: Mapping[str, Looking]) -> bool:
    """Whether there are too few images to learn from them alone what a pretrained network that there is knows."""
    knows = any(one.probed for one in looking.values())
    return knows and facts.num_rows["train"] < _FEW and not _is_small(facts)


def _is_small(facts: DataFacts) -> bool:
    return facts.input_shape[1] * facts.input_shape[2] <= _SMALL


def _largest(sides: Sequence[int]) -> Narrowing:
    return {"choices": list(sides), "default": sides[-1]}


def _around(name: str, fitting: Fitting, longest: int) -> dict[str, Narrowing]:
    """The sizes of a kind that are searched: those near the one that fits."""
    _, word, sizes = _LADDER[name]
    sides = [side for side in (32, 64, 96, 128) if side == 32 or (side <= fitting.side and side < 2 * longest)]
    if word == "width":
        size: Any = {"choices": [one for one in sizes if one <= fitting.size], "default": fitting.size}
    else:
        most = min(sizes[-1], fitting.size * 5 // 4)
        size = {"low": max(sizes[0], fitting.size // 2), "high": most, "default": fitting.size}
    side = {"choices": sides, "default": min(fitting.side, sides[-1])}
    return {f"architecture.{name}.{word}": size, f"architecture.{name}.side": side}


def _weighing(facts: DataFacts) -> dict[str, Narrowing]:
    """Rare classes count for more from the start where there are any; else nobody searches how much."""
    counts = facts.statistics.get("class_counts", [1.0])
    is_uneven = max(counts) >= _UNEVEN * max(1.0, min(counts))
    return {"callbacks.class_weights.strength": {"default": 0.5} if is_uneven else {"choices": [0.0]}}


def _epoch_seconds(build: Callable[..., nn.Module], *, facts: DataFacts, situation: Situation) -> float:
    shape, resources = facts.input_shape, situation.resources
    made = partial(build, shape, facts.num_outputs)
    long = min(0.2, (situation.seconds or 0.0) / 300)
    step = seconds_a_row(made, shape, threads=resources.threads, gpu=resources.gpu != 0, seconds=long)
    return _BESIDE * step * facts.num_rows["train"]


def _said(
    facts: DataFacts,
    found: Mapping[str, Fitting],
    looking: Mapping[str, Looking],
    epochs: int,
    seconds: float,
) -> str:
    measured = f"Measured here, {facts.num_rows['train']:,} images and {seconds:.0f} s allow {epochs} epochs"
    if net := found.get("cnn"):
        side = min(net.side, max(facts.input_shape[1:]))
        measured += (
            f" of a convolutional net of {net.size} channels on {side} pixels a side ({net.epoch:.2g} s an epoch)"
        )
    parts = [measured] if net else [f"{measured}; so few images are left to pretrained networks"]
    parts += [
        f"fine-tuning {name} on {one.tuned[-1]} pixels a side takes {one.epoch:.2g} s an epoch"
        for name, one in looking.items()
        if one.tuned
    ]
    left = [name for name in _LADDER if name not in found] if found else []
    left += [f"fine-tuning {name}" for name, one in looking.items() if not one.tuned]
    left += [f"the vectors of {name}" for name, one in looking.items() if not one.probed]
    parts += [f"no time for {', '.join(left)}"] if left else []
    return f"{'; '.join(parts)}."
