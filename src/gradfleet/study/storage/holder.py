"""Who holds a lease: a process, told apart from every other one on any host, before and after a restart."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

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

    def provably_dead(self) -> bool:
        """Whether this process cannot be running any more, as seen from here; False for one on another host."""
        here = Holder.current()
        if (self.host, self.process_space) != (here.host, here.process_space):
            return False
        return self.boot != here.boot or not self._runs()

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
