"""The Ray cluster that trials run on: connect once, and say what it holds."""

from __future__ import annotations

import atexit
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from gradfleet.errors import ClusterError
from gradfleet.fleet.quiet import quiet_ray
from gradfleet.fleet.scratch import make_scratch, remove_scratch
from gradfleet.trials.resources import Resources


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connected Ray cluster.

    Attributes:
        cpu: cores of all nodes together.
        gpu: devices of all nodes together.
    """

    cpu: float
    gpu: float

    def workers(self, resources: Resources) -> int:
        """How many trials of this size run side by side.

        Raises:
            ClusterError: not even one; both amounts are in the message.
        """
        gpu = resources.gpu or 0.0
        fits = [int(have / need + 1e-9) for have, need in ((self.cpu, resources.cpu), (self.gpu, gpu)) if need > 0]
        if min(fits) < 1:
            raise ClusterError(
                f"A trial asks for {resources.cpu:g} cpu and {gpu:g} gpu, but the cluster has "
                f"{self.cpu:g} cpu and {self.gpu:g} gpu in all. Ask for less with resources=Resources(...)."
            )
        return min(fits)


def connect(address: str | None = None) -> Cluster:
    """Connect this process to a Ray cluster, or start a private one on this machine.

    Args:
        address: None starts (or reuses) a Ray of this process alone, in its own temporary folder and without a
            dashboard; it never attaches to a neighbour's. "auto" joins the cluster that this machine is part of.

    Raises:
        ClusterError: no cluster answers, or the address is of a kind that is not known.
    """
    if not ray.is_initialized():
        with quiet_ray():
            _start(address)
    total = ray.cluster_resources()
    return Cluster(cpu=total.get("CPU", 0.0), gpu=total.get("GPU", 0.0))


def _start(address: str | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if address is None:
        # Ray's sockets must have short paths (107 bytes), so this is not under the study's own folder.
        folder = make_scratch("ray")
        atexit.register(_shut_down, folder)
        options |= {"include_dashboard": False, "_temp_dir": str(folder)}
    elif address != "auto":
        raise ClusterError(f"cluster is None (this machine), 'auto' or 'inline'; got {address!r}.")
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, OSError, RuntimeError) as error:
        raise ClusterError(f"Ray could not be reached or started: {error}") from error


def _shut_down(folder: Path) -> None:
    ray.shutdown()
    remove_scratch(folder)
