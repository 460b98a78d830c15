"""A cluster of a store's own: a Ray of this machine that outlives whoever has started it, until it is ended."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from gradfleet.errors import ClusterError, SettingError
from gradfleet.fleet import detached
from gradfleet.fleet.heads import LOCK, MARK, Head, folders
from gradfleet.fleet.scratch import remove_scratch
from gradfleet.study.storage.database import parse_url, shown

_LOOK_EVERY = 0.2  # seconds
_STARTS_WITHIN = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """One store's head on this host, found again by the URL of the store.

    Attributes:
        store: its URL, without a password.
    """

    store: str

    @classmethod
    def of(cls, store: str | Path | None) -> Self:
        """That of a store; with its password or without it, it is the same one."""
        return cls(shown(parse_url(store).set(password="")))

    @property
    def folder(self) -> Path:
        """Where it is written down."""
        name = hashlib.sha256(self.store.encode()).hexdigest()[:16]
        return folders() / f"{socket.gethostname()}-{name}"

    @property
    def head(self) -> Head | None:
        """The last one, dead or alive; None when there was none."""
        return Head.read(self.folder)

    @property
    def address(self) -> str | None:
        """Of the Jobs API of the living head; None while there is none."""
        head = self.head
        return head.address if head is not None and head.is_alive else None

    def has_had(self, address: str) -> bool:
        """Whether that is, or was, the address of its head."""
        head = self.head
        return head is not None and address in head.addresses

    def begin(self) -> str:
        """The address of its Jobs API; a head is started where none lives, and is one for all who ask at once.

        Raises:
            ClusterError: it does not start; its last words are in the message.
            SettingError: it cannot be written down.
        """
        self._make_folder()
        started: threading.Event | None = None
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline:
            if (address := self.address) is not None:
                return address
            if not self._is_taken():
                if started is None:
                    started = self._start()
                elif started.is_set():
                    raise ClusterError(f"The cluster of this store does not start: {self._last_words()}")
            time.sleep(_LOOK_EVERY)
        raise ClusterError(f"The cluster of this store takes more than {_STARTS_WITHIN:g} s to start; see {self._log}.")

    def end(self) -> int:
        """End its head with all jobs and trials there; how many processes that were."""
        head = self.head
        if head is None:
            return 0
        ended = head.end()
        remove_scratch(Path(head.scratch))
        return ended

    @property
    def _log(self) -> Path:
        return self.folder / "head.log"

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SettingError(
                f"The cluster of this store needs a folder that can be written, and {self.folder} cannot be made "
                f"({error.strerror}). Set XDG_STATE_HOME to one, or pass --cluster."
            ) from error

    def _is_taken(self) -> bool:
        """Whether the process of a head runs, be it that it starts."""
        try:
            with FileLock(self.folder / LOCK, blocking=False):
                return False
        except Timeout:
            return True

    def _start(self) -> threading.Event:
        """Start a process that becomes the head if no other one is faster; what is set when it has ended."""
        ended = threading.Event()
        self._log.unlink(missing_ok=True)
        environment = {
            MARK: secrets.token_hex(16),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_agent_register_timeout_ms": "300000",  # without its agents Ray ends; a busy host starts them slowly
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on any system: all of Ray listens on loopback alone
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }
        detached.start(
            "gradfleet.fleet.head",
            json.dumps(str(self.folder)).encode(),
            log=self._log,
            ended=lambda _: ended.set(),
            environment=environment,
        )
        return ended

    def _last_words(self) -> str:
        said = self._log.read_text(encoding="utf-8", errors="replace") if self._log.is_file() else ""
        return (said.strip().splitlines() or ["its process has ended."])[-1].removeprefix("Error: ")
