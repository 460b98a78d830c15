"""Folders of tiny images, the command line in this process, and the real one in a process of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sysconfig
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from gradfleet.cli.main import app

Run = Callable[..., Result]
Begin = Callable[..., "subprocess.Popen[str]"]
Terminal = Callable[..., str]

CONSOLE_SCRIPT = Path(sysconfig.get_path("scripts"), "gradfleet")


def write_images(folder: Path, *, classes: tuple[str, ...] = ("dark", "light"), each: int = 10, seed: int = 0) -> Path:
    """A folder of class folders of 8 x 8 grey PNG; the classes differ in brightness."""
    noise = numpy.random.default_rng(seed)
    for place, label in enumerate(classes):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            pixels = noise.integers(0, 40, (8, 8)) + 200 * place // max(1, len(classes) - 1)
            Image.fromarray(pixels.astype(numpy.uint8)).save(folder / label / f"{number:03}.png")
    return folder


def listing(folder: Path) -> list[str]:
    """All paths below; SQLite's own `-wal` and `-shm` come and go with the connections."""
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    return [path for path in paths if not path.endswith(("-wal", "-shm"))]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def images(here: Path) -> Path:
    return write_images(here / "images")


@pytest.fixture(scope="session")
def run() -> Run:
    """`gradfleet ...` in this process."""

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [*map(str, arguments)], prog_name="gradfleet")

    return invoke


@pytest.fixture(scope="session")
def done(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/ and the study `tiny` over them in gradfleet.db, of two trials of one epoch."""
    folder = tmp_path_factory.mktemp("done")
    write_images(folder / "images")
    options = ("--trials", 2, "--epochs", 1, "--cluster", "inline", "--name", "tiny", "--quiet")
    result = run("fit", "image-classification", folder / "images", *options, "--store", folder / "gradfleet.db")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Starts the console script in a process group of its own; what still runs is killed afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(CONSOLE_SCRIPT), *map(str, arguments)],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def on_terminal() -> Terminal:
    """Runs the console script on a terminal of so many columns; what it showed, without colours."""

    def show(*arguments: object, cwd: Path, columns: int = 100) -> str:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm"}
        environment.pop("COLUMNS", None)
        with subprocess.Popen(
            [str(CONSOLE_SCRIPT), *map(str, arguments)], cwd=cwd, env=environment, stdout=theirs, stderr=theirs
        ):
            os.close(theirs)
            shown = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())

    return show


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # so Linux says that nobody writes to it any more
        return b""
