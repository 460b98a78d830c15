"""What `Model.fit` was told beside the data: one frozen value that checks all of itself at once."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import torch

from gradfleet.data.loaders import Batches, Source, make_batches
from gradfleet.errors import SettingError
from gradfleet.training.batches.limits import AtMost, Exactly, NoData, Same

_LEAST = {"epochs": 0, "batch_size": 1, "seed": 0, "steps_per_epoch": 1, "limit_batches": 1, "overfit_batches": 1}


@dataclass(frozen=True, slots=True)
class FitSettings:
    """The arguments of `Model.epochs`, where they are described.

    Attributes:
        has_data: whether there is any to train on.

    Raises:
        SettingError: one or more of them cannot be; every reason is listed.
    """

    epochs: int
    batch_size: int = 32
    seed: int | None = None
    resume: Path | str | None = None
    inherit: Path | str | None = None
    reset: bool = False
    steps_per_epoch: int | None = None
    limit_batches: int | None = None
    overfit_batches: int | None = None
    has_data: bool = True

    def __post_init__(self) -> None:
        found = [
            f"{name} must be a whole number of at least {least}, got {value!r}."
            for name, least in _LEAST.items()
            if (value := getattr(self, name)) is not None or name in ("epochs", "batch_size")
            if not _is_whole(value) or value < least
        ]
        if not self.has_data and self.steps_per_epoch is None:
            found.append("Without data, say how many steps an epoch has: steps_per_epoch=.")
        if self.reset and self.start is not None:
            found.append("resume= goes on from a checkpoint and reset=True begins anew: give one of them.")
        if self.resume is not None and self.inherit is not None:
            found.append("resume= goes on exactly and inherit= with other settings: give one of them.")
        if found:
            raise SettingError(found)

    @property
    def start(self) -> Path | None:
        """The checkpoint to go on from."""
        start = self.resume if self.inherit is None else self.inherit
        return None if start is None else Path(start)

    def training(self, data: Source | None, seed: int, device: torch.device) -> Batches:
        """The training batches of every epoch."""
        batches: Batches = NoData(1)
        if data is not None:
            batches = make_batches(data, batch_size=self.batch_size, shuffle=True, seed=seed, device=device)
        if self.overfit_batches is not None:
            batches = Same(batches, self.overfit_batches, seed)
        if self.steps_per_epoch is not None:
            batches = Exactly(batches, self.steps_per_epoch)
        return self._limited(batches)

    def validation(self, data: Source | None, device: torch.device) -> Batches | None:
        """The validation batches of every epoch; None where nothing is validated."""
        if data is None:
            return None
        return self._limited(make_batches(data, batch_size=self.batch_size, shuffle=False, seed=0, device=device))

    def _limited(self, batches: Batches) -> Batches:
        return batches if self.limit_batches is None else AtMost(batches, self.limit_batches)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
