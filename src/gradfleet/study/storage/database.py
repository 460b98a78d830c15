"""A connection to a store: URL, pragmas, transactions, and patience with a database that is away for a moment."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from gradfleet.errors import NoSpaceError, NotFoundError, StoreError
from gradfleet.study.storage.outage import Outage
from gradfleet.trials.space import WHAT_NEXT

T = TypeVar("T")
_PERMANENT = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_PERM}
_KNOWN = ("sqlite", "postgresql")
_WRITES = "gradfleet_writes"
_FIRST_ANSWER = 10.0  # seconds
_LOCK = 0x6772_6164  # "grad": a number of PostgreSQL's advisory locks, which all programs of a database share


class Database:
    """One database, with whole transactions as its only verbs.

    Attributes:
        outage: tells whoever listens when the database is away.

    Args:
        patience: seconds that a transaction is tried again while the database is locked or away. A server that has
            never answered is given up after ten of them: more often than away it is misspelt.

    Raises:
        StoreError: the URL cannot be a store, or its file cannot be one.
    """

    def __init__(self, url: URL, *, patience: float) -> None:
        self.url = url
        self.outage = Outage()
        self._patience = patience
        self._has_answered = sqlite_file(url) is not None
        unknown = f"{self} is no store that gradfleet knows: use sqlite:/// or postgresql://."
        if url.get_backend_name() not in _KNOWN:
            raise StoreError(unknown)
        try:
            self.engine = create_engine(url, connect_args=_connect_args(url, busy=min(1.0, patience)))
        except ImportError as error:
            needed = f'a driver for {url.drivername}: pip install "gradfleet[postgresql]"'
            raise StoreError(f"The store {self} needs {needed} ({error}).") from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise StoreError(unknown) from error
        event.listen(self.engine, "begin", _begin)
        self._closed = threading.Event()
        event.listen(self.engine, "checkin", partial(_drop_late, self._closed))
        weakref.finalize(self, _close, self.engine, self._closed)  # a Study that is dropped leaves no connection open
        # As PostgreSQL comes, each statement sees its own moment. Writes are at rest behind the lease's row.
        snapshot = {} if sqlite_file(url) else {"isolation_level": "REPEATABLE READ"}
        self._reading = self.engine.execution_options(**snapshot)
        self._writing = self.engine.execution_options(**{_WRITES: True})

    def __str__(self) -> str:
        return shown(self.url)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads, all of it from one moment."""
        return self.patiently(lambda: self._transact(self._reading, work))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction. It may run again after a fault, so it must not mind what it wrote before."""
        return self.patiently(lambda: self._transact(self._writing, work))

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Call `attempt` until the database lets it through; pauses grow and are jittered.

        Raises:
            NoSpaceError: the disk under the database is full; waiting would not help.
            StoreError: the fault is no passing one, or it lasts longer than our patience.
        """
        began, pause = time.monotonic(), 0.02
        while True:
            try:
                result = attempt()
                self._has_answered = True
                self.outage.ends()
                return result
            except SQLAlchemyError as error:
                self._refuse_what_lasts(error, waited=time.monotonic() - began + pause)
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, 1.0)

    def _refuse_what_lasts(self, error: SQLAlchemyError, *, waited: float) -> None:
        cause = _cause(error)
        if _is_full(error):
            raise NoSpaceError(f"The store {self} has no space left ({cause}). {WHAT_NEXT}") from error
        if not _is_passing(error):
            raise StoreError(f"The store {self} refused: {cause}.") from error
        if not self._has_answered and waited > min(self._patience, _FIRST_ANSWER):
            raise StoreError(
                f"The store {self} does not answer ({cause}). See that the server runs, and that the address, the user "
                "and the database are right."
            ) from error
        if waited > self._patience:
            raise StoreError(
                f"The store {self} did not answer for {self._patience:g} s ({cause}). Nothing that was recorded before "
                "is lost: look at the database, then go on with resume=True."
            ) from error
        why = f"The store {self} does not answer ({cause}); trying again for up to {self._patience:g} s."
        self.outage.lasts(why, waited=waited)

    def close(self) -> None:
        _close(self.engine, self._closed)

    @staticmethod
    def _transact(engine: Engine, work: Callable[[Connection], T]) -> T:
        with engine.begin() as connection:
            return work(connection)


def shown(url: URL) -> str:
    """The URL without a password, be it the user's or in the query."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def parse_url(url: str | Path | None) -> URL:
    """A store's URL with an absolute path; None is `gradfleet.db` in the working folder, a plain path is SQLite."""
    text = str(url if url is not None else "gradfleet.db")
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser().absolute()))
    try:
        parsed = make_url(text)
    except ArgumentError as error:
        raise StoreError(f"A store is a file or a URL such as sqlite:///gradfleet.db, got {text!r}.") from error
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return parsed
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        raise StoreError(f"A store needs a file that other processes can open, got {text!r}.")
    return parsed.set(database=str(Path(parsed.database).absolute()))


def check_file(url: URL, *, must_exist: bool) -> None:
    """Refuse a SQLite file that cannot be opened, before anything is made of it."""
    path = sqlite_file(url)
    if path is None:
        return
    if path.exists():  # asked before anything else: another process may make it meanwhile
        if not path.is_file():
            raise StoreError(f"The store {url} is no file.")
        return
    if must_exist:
        raise NotFoundError(f"There is no store at {url}. Pass store= with the one that the study was made in.")
    if not path.parent.is_dir():
        raise StoreError(f"The store {url} cannot be made: the folder {path.parent} does not exist.")
    if not os.access(path.parent, os.W_OK):
        raise StoreError(f"The store {url} cannot be made: the folder {path.parent} is not writable.")


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite store; None for a server."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _connect_args(url: URL, *, busy: float) -> dict[str, Any]:
    """What every connection to `url` is made with, Optuna's included; `busy`: seconds to wait for a lock of SQLite."""
    if sqlite_file(url):
        return {"factory": _QuickConnection, "timeout": busy}
    # A host that is gone answers nothing at all; the system would wait for it for minutes.
    return {"connect_timeout": 5, "tcp_user_timeout": 10_000}


def one_at_a_time(connection: Connection) -> None:
    """Let no other transaction that asks for the same run beside this one; SQLite never does."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


class _QuickConnection(sqlite3.Connection):
    # As SQLite comes, each commit waits for the disk twice (20-80 ms); in WAL mode with synchronous=NORMAL a killed
    # process loses nothing, and a commit costs about 1 ms.
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            self.execute(f"PRAGMA {pragma}").close()


def _close(engine: Engine, closed: threading.Event) -> None:
    closed.set()
    engine.dispose()


def _drop_late(closed: threading.Event, connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    # A lease's thread may be in the middle of a renewal: its connection comes back to a pool that nobody empties.
    if closed.is_set() and connection is not None:
        record.invalidate()


def _begin(connection: Connection) -> None:
    # Python's sqlite3 begins at the first INSERT only: a fencing number read before would not be in the transaction.
    if connection.dialect.name == "sqlite":
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_passing(error: SQLAlchemyError) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) in ("40001", "40P01"):
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    return isinstance(error, OperationalError) and (code is None or code & 0xFF not in _PERMANENT)


def _is_full(error: SQLAlchemyError) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(cause, "sqlite_errorcode", None)
    return getattr(cause, "sqlstate", None) == "53100" or (code is not None and code & 0xFF == sqlite3.SQLITE_FULL)


def _cause(error: SQLAlchemyError) -> str:
    """The driver's own words, in one line."""
    words = str(error.orig if isinstance(error, DBAPIError) else error)
    return " ".join(words.split()).rstrip(".")
