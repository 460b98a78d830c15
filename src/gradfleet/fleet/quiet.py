"""Ray without its words: what it prints, logs and writes beside our own progress and store."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray

_RAY = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without a GPU sees none, and so trains on the CPU
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
def _level(name: str, level: int) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(max(level, before))
    try:
        yield
    finally:
        logger.setLevel(before)
