"""The process of a head: it has Ray run on this machine, and ends with it."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import ray
from filelock import FileLock, Timeout
from ray._private.utils import write_ray_address

from gradfleet.errors import ClusterError
from gradfleet.fleet.exit_code import exit_code
from gradfleet.fleet.heads import LOCK, MARK, Head
from gradfleet.fleet.jobs import RemoteCluster
from gradfleet.fleet.quiet import quiet_ray
from gradfleet.fleet.scratch import make_scratch, remove_scratch
from gradfleet.study.storage.holder import Holder

_LOOKED_AT = 2.0  # seconds; who looks whether the lock is held has it for a moment
_LOOK_EVERY = 1.0  # seconds
_ANSWERS_WITHIN = 120.0  # seconds


def run(folder: Path) -> None:
    """Be the head of the store whose folder this is, until Ray has ended; at once where there is one.

    Raises:
        ClusterError: Ray does not start.
    """
    try:
        with FileLock(folder / LOCK, timeout=_LOOKED_AT):
            _be_head(folder)
    except Timeout:
        return


def _be_head(folder: Path) -> None:
    before = Head.read(folder)
    if before is not None:
        before.end()  # what it has left behind holds cores and devices
        remove_scratch(Path(before.scratch))
    head = Head(
        holder=Holder.current(),
        mark=os.environ[MARK],
        token=os.environ["RAY_AUTH_TOKEN"],
        scratch=str(make_scratch("ray")),  # Ray's sockets must have short paths (107 bytes)
        former=() if before is None else tuple(dict.fromkeys(before.addresses)),
    )
    head.write(folder)
    replace(head, address=_started(head)).write(folder)
    parts = psutil.Process().children()
    while all(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts):
        time.sleep(_LOOK_EVERY)
    head.end()
    remove_scratch(Path(head.scratch))
    os.kill(os.getpid(), signal.SIGKILL)  # what of Ray is in this process would wait for what has ended


def _started(head: Head) -> str:
    """The address of its Jobs API, once that answers."""
    try:
        with quiet_ray():
            made: Any = ray.init(
                address="local",
                include_dashboard=True,
                dashboard_port=0,  # any free one, on loopback
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
                _temp_dir=head.scratch,
            )
    except Exception as error:  # as in `connect`
        raise ClusterError(f"Ray could not be started: {error}") from error
    # As `ray start` does: of several on a host, a job is otherwise that of any of them.
    write_ray_address(made.address_info["gcs_address"], head.scratch)
    address = f"http://{made.address_info['webui_url']}"
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while True:
        try:
            RemoteCluster(address).client()
            return address
        except ClusterError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_EVERY)


if __name__ == "__main__":
    sys.exit(exit_code(lambda: run(Path(json.load(sys.stdin)))))
