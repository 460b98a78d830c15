"""What one trial may use of a machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradfleet.errors import SettingError


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU cores and GPUs of one trial; fractions share a device between trials.

    Attributes:
        cpu: cores; also the number of threads torch uses, rounded down and at least 1.
        gpu: devices, such as 0.25 for four trials on one; None is one device where the cluster has any, else none.

    Raises:
        SettingError: a negative amount, or nothing of either.
    """

    cpu: float = 1.0
    gpu: float | None = None

    def __post_init__(self) -> None:
        gpu = self.gpu or 0.0
        if self.cpu < 0 or gpu < 0 or not self.cpu + gpu > 0:
            raise SettingError(
                f"A trial needs some cpu or gpu and none below zero, got cpu={self.cpu}, gpu={self.gpu}."
            )
        if gpu > 1 and gpu != int(gpu):
            raise SettingError(f"More than one gpu comes in whole devices, got gpu={self.gpu}.")

    @property
    def threads(self) -> int:
        return max(1, int(self.cpu))

    def on(self, *, gpus: float) -> Resources:
        """The same on a cluster with so many GPUs, nothing left open."""
        if self.gpu is not None:
            return self
        return replace(self, gpu=1.0 if gpus >= 1 else 0.0)
