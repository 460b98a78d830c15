"""Heads: the Ray of a store on this machine, as its process has written it down for every other one of this user."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from gradfleet.fleet.addresses import is_loopback
from gradfleet.study.storage.holder import Holder

MARK = "GRADFLEET_HEAD"
"""What each process of a head has in its environment: the head's mark."""

LOCK = "head.lock"
"""In the folder of each store: held by the process of its head."""

_FILE = "head.json"
_ENDS_WITHIN = 30.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A Ray head that belongs to one store.

    Attributes:
        holder: its process; what else belongs to it has `mark` in its environment.
        token: that it asks for.
        scratch: Ray's temporary folder.
        address: of its Jobs API; None while it starts.
        former: the addresses of those that the store had before.
    """

    holder: Holder
    mark: str
    token: str
    scratch: str
    address: str | None = None
    former: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The one that was written down last; None where there is none, or none that this version could read."""
        try:
            values = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            return cls(**values | {"holder": Holder(**values["holder"]), "former": tuple(values["former"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Whole or not at all, and for this user alone: it has the token."""
        unfinished = folder / f"{_FILE}.new"
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(asdict(self)), encoding="utf-8")
        unfinished.replace(folder / _FILE)

    @property
    def is_alive(self) -> bool:
        """Whether its process runs; not after a restart of this machine, whatever has its process id then."""
        return self.holder.is_here() and not self.holder.provably_dead()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its own, once it has one, and those before."""
        return self.former if self.address is None else (*self.former, self.address)

    def processes(self) -> list[psutil.Process]:
        """What belongs to it and runs, this process left out; jobs, their trials and what these have begun included."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # it has ended, or is another user's
                if process.environ().get(MARK) == self.mark and process.pid != os.getpid():
                    found.append(process)
        return found

    def end(self) -> int:
        """End all that belongs to it; how many processes that were."""
        ended: set[int] = set()
        deadline = time.monotonic() + _ENDS_WITHIN
        while (found := self.processes()) and time.monotonic() < deadline:  # some begin others meanwhile
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                ended.add(process.pid)
            psutil.wait_procs(found, timeout=1.0)
        return len(ended)


def folders() -> Path:
    """Below it each store has a folder for its head."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "gradfleet" / "clusters"


def head_at(address: object) -> Head | None:
    """The living head of this machine and user whose Jobs API is there; None for any other cluster."""
    if not is_loopback(address):
        return None
    heads = (Head.read(file.parent) for file in folders().glob(f"*/{_FILE}"))
    return next((head for head in heads if head is not None and head.address == address and head.is_alive), None)
