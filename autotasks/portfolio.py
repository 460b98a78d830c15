"""Known-good configurations of a preset, read from `portfolios/*.yaml`: what is tried first, by the time there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gradfleet.tasks import Config, Value

FOLDER = Path(__file__).parent / "portfolios"
BACKBONE = "{backbone}"
"""Stands in a configuration for the name of each backbone that was given; without any it is left out."""


@dataclass(frozen=True, slots=True)
class KnownGood:
    """One configuration with its place in the order.

    Attributes:
        budget: seconds of a search from which it is worth its time on two CPU cores.
        gpu_budget: the same where trials have a GPU.
        source: where the configuration comes from.
    """

    config: dict[str, Value]
    budget: float
    gpu_budget: float
    source: str

    def of(self, backbone: str) -> KnownGood:
        """The same for one backbone."""
        config = {key.replace(BACKBONE, backbone): _named(value, backbone) for key, value in self.config.items()}
        return replace(self, config=config)

    def seconds(self, *, gpu: bool) -> float:
        """Of a search from which it is worth its time."""
        return self.gpu_budget if gpu else self.budget

    @property
    def architecture(self) -> str:
        return str(self.config["architecture"])


def read_portfolio(task: str, backbones: Sequence[str]) -> list[KnownGood]:
    """The portfolio of a task in its order, with an entry a backbone where it says so."""
    content: dict[str, Any] = YAML(typ="safe").load(FOLDER / f"{task}.yaml")
    entries = [
        KnownGood(one["config"], _seconds(one["budget"]), _seconds(one.get("gpu_budget", one["budget"])), one["source"])
        for one in content["configurations"]
    ]
    return [made for entry in entries for made in _expanded(entry, backbones)]


def affordable(portfolio: Iterable[KnownGood], seconds: float | None, *, gpu: bool = False) -> list[Config]:
    """Those that a search of so many seconds has the time for; None is no limit."""
    return [one.config for one in portfolio if seconds is None or one.seconds(gpu=gpu) <= seconds]


def _expanded(entry: KnownGood, backbones: Sequence[str]) -> list[KnownGood]:
    if BACKBONE not in entry.architecture:
        return [entry]
    return [entry.of(backbone) for backbone in backbones]


def _named(value: Value, backbone: str) -> Value:
    return value.replace(BACKBONE, backbone) if isinstance(value, str) else value


def _seconds(minutes: str) -> float:
    return 60 * float(str(minutes).removesuffix("m"))
