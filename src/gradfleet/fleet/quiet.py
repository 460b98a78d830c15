"""Ray without its words: what it prints, logs and writes beside our own progress and store."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import ray

_RAY = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without a GPU sees none, and so trains on the CPU
}

_TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own tables; ours are drawn from the ledger
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # user code keeps its working directory
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # CSV, JSON and TensorBoard files a trial: half of Tune's own cost
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C has two stages here, see study/interrupt.py
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # the store is the truth: Tune's snapshots are never read
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a lost worker is told by the ledger
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


@contextmanager
def quiet_ray() -> Iterator[None]:
    """While Ray starts or is joined; its workers inherit the environment of this moment."""
    with _environment(_RAY), _level("ray", logging.ERROR):
        yield
    # A private switch, for there is no other: what the node's daemon says of a dead worker is printed to stdout,
    # whatever `log_to_driver` is. The ledger tells it.
    ray._private.worker._worker_logs_enabled = False


@contextmanager
def quiet_jobs() -> Iterator[None]:
    """While a package is sent to a cluster; what says so has a level of its own."""
    with _level("ray", logging.ERROR), _level("ray.dashboard.modules.dashboard_sdk", logging.ERROR):
        yield


@contextmanager
def quiet_tune(workers: int) -> Iterator[None]:
    """While Ray Tune runs `workers` trials side by side."""
    with ExitStack() as stack:
        # All workers start together: Tune gives a freed worker the trial of one that is still starting, and ends that
        # one, so that with one start at a time trials shorter than a start never reach the second worker.
        stack.enter_context(_environment({**_TUNE, "TUNE_MAX_PENDING_TRIALS_PG": str(workers)}))
        stack.enter_context(_level("ray", logging.ERROR))
        stack.enter_context(_level("ray.tune", logging.CRITICAL))  # it says of every ended worker that it failed
        stack.enter_context(_handler("SIGUSR1"))
        yield


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set what the user has not set, and take it away again."""
    ours = [name for name in settings if name not in os.environ]
    os.environ.update({name: settings[name] for name in ours})
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _handler(name: str) -> Iterator[None]:
    """Put back the user's handler of a signal, which Tune replaces in the main thread."""
    number = getattr(signal, name, None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if before is not None:  # else it is not Python's
            signal.signal(number, before)


@contextmanager
def _level(name: str, level: int) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(max(level, before))
    try:
        yield
    finally:
        logger.setLevel(before)
