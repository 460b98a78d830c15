"""The Ray cluster that trials run on: connect once, and say what it holds."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass

import ray

from gradfleet.errors import ClusterError
from gradfleet.trials.resources import Resources

# Set before Ray Tune is first used; a value that the user has set stays.
_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own tables; ours are drawn from the ledger
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # CSV, JSON and TensorBoard files a trial: half of Tune's own cost
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C has two stages here, see study/interrupt.py
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # the store is the truth: Tune's snapshots are never read
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a lost worker is told by the ledger
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # user code keeps its working directory
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without a GPU sees none, and so trains on the CPU
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}


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
        fits = [
            int(have / need + 1e-9) for have, need in ((self.cpu, resources.cpu), (self.gpu, resources.gpu)) if need > 0
        ]
        if min(fits) < 1:
            raise ClusterError(
                f"A trial asks for {resources.cpu:g} cpu and {resources.gpu:g} gpu, but the cluster has "
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
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if not ray.is_initialized():
        _start(address)
    total = ray.cluster_resources()
    return Cluster(cpu=total.get("CPU", 0.0), gpu=total.get("GPU", 0.0))


def _start(address: str | None) -> None:
    try:
        if address is None:
            # Ray's sockets must have short paths (107 bytes), so this is not under the study's own folder.
            folder = tempfile.mkdtemp(prefix="gradfleet-ray-")
            atexit.register(_shut_down, folder)
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
                _temp_dir=folder,
            )
        elif address == "auto":
            ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        else:
            raise ClusterError(f"cluster is None (this machine), 'auto' or 'inline'; got {address!r}.")
    except (ConnectionError, OSError, RuntimeError) as error:
        raise ClusterError(f"Ray could not be reached or started: {error}") from error


def _shut_down(folder: str) -> None:
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
