"""A PostgreSQL server of the tests' own: a private port, its own data folder, and no right of root."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Nothing here has to outlive the machine, so nothing waits for the disk; a crash of the server loses no commit.
_SETTINGS = "fsync = off\nfull_page_writes = off\nmax_connections = 50\n"


class PostgreSQL:
    """A server that is stopped and started at will.

    Args:
        programs: the folder of `initdb` and `pg_ctl`.
        folder: a new, empty one, which the server's user owns.
        user: whom it runs as; None is who runs the tests. It refuses to be root.
        address: where it listens; whoever reaches it there is let in.
    """

    def __init__(self, programs: Path, folder: Path, *, user: str | None, address: str) -> None:
        self._programs = programs
        self._data = folder / "data"
        self._folder = folder
        self._user = user
        self._numbers = itertools.count()
        self._address = address
        self.port = _free_port()
        self._run("initdb", "--no-sync", "--auth=trust", "--username=gradfleet", "--encoding=UTF8", "--locale=C")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{_SETTINGS}port = {self.port}\nlisten_addresses = '{address}'\n")
            file.write(f"unix_socket_directories = '{folder}'\n")
        with (self._data / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\n")

    def start(self) -> None:
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder}/log")

    def stop(self, *, mode: str = "fast") -> None:
        """`mode`: "fast" throws every client out; "immediate" is a crash."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def new_database(self) -> str:
        """The URL of an empty database."""
        import psycopg

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://gradfleet@{self._address}:{self.port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), f"--pgdata={self._data}", *arguments]
        subprocess.run(
            command, user=self._user, cwd="/", check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The server of this session; a test that stops it starts it again."""
    with served("127.0.0.1") as server:
        yield server


@contextlib.contextmanager
def served(address: str) -> Iterator[PostgreSQL]:
    """A running server at an address of this machine; the test is skipped where there can be none."""
    pytest.importorskip("psycopg", reason="needs psycopg: make env")
    programs, user = _programs(), _user()
    with tempfile.TemporaryDirectory(prefix="gf-pg-") as name:  # its socket needs a short path
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        server = PostgreSQL(programs, folder, user=user, address=address)
        server.start()
        yield server
        with contextlib.suppress(subprocess.CalledProcessError):  # a failed test may have left it stopped
            server.stop(mode="immediate")


def _programs() -> Path:
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent)
    if not found:
        pytest.skip("needs PostgreSQL's server: apt-get install postgresql")
    return found[-1]


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip(f"PostgreSQL does not run as {getpass.getuser()}, and there is no other user")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
