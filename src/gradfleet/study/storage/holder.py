"""Who holds a lease: a process, told apart from every other one on any host, before and after a restart."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from sqlalchemy import Row

SILENCE = 30.0
"""Seconds without a sign of life after which a process that cannot be looked at from here counts as dead."""

_CLOCK_STEP = 2.0  # seconds; a start time is counted from the boot time, which moves when the clock is set


@dataclass(frozen=True, slots=True)
class Holder:
    """A process.

    Attributes:
        process_space: which set of process ids `pid` belongs to; two containers of one host have their own.
        boot: changes when the host starts again.
        process_started: Unix time; tells a process from a later one with the same id.
    """

    host: str
    process_space: str
    boot: str
    pid: int
    process_started: float

    @classmethod
    def current(cls) -> Holder:
        """This process."""
        return _of_process(os.getpid())

    @classmethod
    def of_row(cls, row: Row[Any]) -> Holder:
        """The process that a row of the store names."""
        return cls(row.host, row.process_space, row.boot, row.pid, row.process_started)

    def provably_dead(self) -> bool:
        """Whether this process cannot be running any more, as seen from here; False for one on another host."""
        here = Holder.current()
        if (self.host, self.process_space) != (here.host, here.process_space):
            return False
        return self.boot != here.boot or not self._runs()

    def is_alive(self, heartbeat: float) -> bool:
        """Whether it runs, as far as can be told from here.

        Args:
            heartbeat: Unix time of its last sign of life.
        """
        if self.provably_dead():
            return False
        return self.is_here() or time.time() - heartbeat < SILENCE

    def is_here(self) -> bool:
        """Whether `provably_dead` can tell: the process belongs to this host."""
        here = Holder.current()
        return (self.host, self.process_space) == (here.host, here.process_space)

    def _runs(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.process_started) < _CLOCK_STEP
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def held_here() -> dict[str, Any]:
    """The columns of a row that this process holds from now on."""
    return {**asdict(Holder.current()), "heartbeat": time.time()}


@cache
def _of_process(pid: int) -> Holder:
    return Holder(socket.gethostname(), _process_space(), _boot(), pid, psutil.Process(pid).create_time())


def _process_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "all"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))
