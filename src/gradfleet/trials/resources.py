"""What one trial may use of a machine."""

from __future__ import annotations

from dataclasses import dataclass

from gradfleet.errors import SettingError


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU cores and GPUs of one trial; fractions share a device between trials.

    Attributes:
        cpu: cores; also the number of threads torch uses, rounded down and at least 1.
        gpu: devices, such as 0.25 for four trials on one.

    Raises:
        SettingError: a negative amount, or nothing of either.
    """

    cpu: float = 1.0
    gpu: float = 0.0

    def __post_init__(self) -> None:
        if self.cpu < 0 or self.gpu < 0 or not self.cpu + self.gpu > 0:
            raise SettingError(
                f"A trial needs some cpu or gpu and none below zero, got cpu={self.cpu} and gpu={self.gpu}."
            )
        if self.gpu > 1 and self.gpu != int(self.gpu):
            raise SettingError(f"More than one gpu comes in whole devices, got gpu={self.gpu}.")

    @property
    def threads(self) -> int:
        return max(1, int(self.cpu))
