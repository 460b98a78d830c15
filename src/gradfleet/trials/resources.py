"""What one trial may use of a machine, or of several."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gradfleet.errors import SettingError

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU cores and GPUs of one trial; fractions share a device between trials.

    Attributes:
        cpu: cores of each of its workers; also the number of threads torch uses, rounded down and at least 1.
        gpu: devices of each, such as 0.25 for four trials on one; None is one device where the cluster has any, else
            none.
        workers: processes that train one trial together, on as many hosts as it takes; each takes its share of every
            batch, so that batch sizes, steps and metrics are those of one. Only the first one reports and writes.

    Raises:
        SettingError: a negative or infinite amount or more than any cluster has, nothing of either, part of a gpu for
            several workers, or no worker.
    """

    cpu: float = 1.0
    gpu: float | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        gpu = self.gpu or 0.0
        if self.cpu < 0 or gpu < 0 or not 0 < self.cpu + gpu < math.inf:
            raise SettingError(
                f"A trial needs some cpu or gpu, none below zero or infinite, got cpu={self.cpu}, gpu={self.gpu}."
            )
        if self.cpu > _MOST or gpu > _MOST:
            raise SettingError(f"No cluster has so much for one trial, got cpu={self.cpu}, gpu={self.gpu}.")
        if self.workers > 1 and 0 < gpu < 1:
            raise SettingError(
                f"Workers that train one trial together take whole devices, got gpu={self.gpu} and "
                f"workers={self.workers}: NCCL refuses two of them on one."
            )
        if gpu > 1 and gpu != int(gpu):
            raise SettingError(f"More than one gpu comes in whole devices, got gpu={self.gpu}.")
        if self.workers < 1:
            raise SettingError(f"A trial has at least 1 worker, got workers={self.workers}.")

    @property
    def threads(self) -> int:
        return max(1, int(self.cpu))

    def on(self, *, gpus: float) -> Resources:
        """The same on a cluster with so many GPUs, nothing left open."""
        if self.gpu is not None:
            return self
        return replace(self, gpu=1.0 if gpus >= 1 else 0.0)
