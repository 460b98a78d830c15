"""What a trial prints and logs: shown as ever, and kept in a file while the trial still runs."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

if TYPE_CHECKING:
    from gradfleet.training.history import EpochRecord
    from gradfleet.trials.recipe import Report

MOST = 200_000
"""Characters that are kept of one trial, the last ones."""

LEFT_OUT = "[what was said before is left out]\n"

_WRITE_EVERY = 1.0  # seconds; so much is lost at most when the process is killed


@contextmanager
def kept_output(address: str | None, report: Report, *, goes_on: bool = False) -> Iterator[Report]:
    """Keep what this process prints in the `with`, but for what `report` says: stdout, stderr, and the log on them.

    What libraries in other languages, or processes of its own, write past Python is not seen.

    Args:
        address: of the file; nothing is written while nothing is said, and None keeps nothing.
        goes_on: what is there already stays before it.

    Returns:
        The report that is to be called instead.
    """
    if address is None:
        yield report
        return
    output = _Output(address, goes_on=goes_on)

    def silent(record: EpochRecord, checkpoint: str | None = None) -> None:
        with output.deaf():
            report(record, checkpoint)

    tees = {name: _Tee(stream, output) for name in ("stdout", "stderr") if (stream := getattr(sys, name)) is not None}
    try:
        for name, tee in tees.items():
            _speak(name, tee, instead_of=tee.stream)
        yield silent
    finally:
        for name, tee in tees.items():
            _speak(name, tee.stream, instead_of=tee)
        output.end()


def read_output(address: str) -> str:
    """What was kept there; empty where nothing was said."""
    filesystem, path = fsspec.core.url_to_fs(address)
    try:
        return bytes(filesystem.cat_file(path)).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _speak(name: str, stream: Any, *, instead_of: Any) -> None:
    """Have one of the streams of `sys`, and the handlers of loggers that write to it, be another one."""
    if getattr(sys, name) is instead_of:  # else somebody has put another one there, which is theirs to take away
        setattr(sys, name, stream)
    for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and handler.stream is instead_of:
                handler.setStream(stream)


class _Tee:
    """A stream that tells an output too what is written."""

    def __init__(self, stream: Any, output: _Output) -> None:
        self.stream = stream
        self._output = output

    def write(self, text: str) -> int:
        written: int = self.stream.write(text)
        self._output.hear(text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Nothing: some handlers close what they were made with, and this is the stream of a whole process."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Output:
    """Gathers text and has it written by a thread, which begins with the first of it."""

    def __init__(self, address: str, *, goes_on: bool) -> None:
        self._address = address
        self._text = None if goes_on else ""
        self._heard: deque[str] = deque()
        self._unwritten = ""
        self._process = os.getpid()
        self._deaf: int | None = None
        self._starting = threading.Lock()
        self._writer: threading.Thread | None = None
        self._ended = threading.Event()

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Hear nothing of what this thread says: it speaks for the sweep now."""
        self._deaf = threading.get_ident()
        try:
            yield
        finally:
            self._deaf = None

    def hear(self, text: str) -> None:
        # A process that was forked has no thread that would write, and perhaps a lock that nobody gives back.
        if self._ended.is_set() or self._deaf == threading.get_ident() or os.getpid() != self._process:
            return
        self._heard.append(text)
        if self._writer is None:
            self._start()

    def end(self) -> None:
        self._ended.set()
        if self._writer is not None:
            self._writer.join()

    def _start(self) -> None:
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="gradfleet-output", daemon=True)
                self._writer.start()

    def _run(self) -> None:
        while not self._ended.wait(_WRITE_EVERY):
            self._write()
        self._write()

    def _write(self) -> None:
        heard = "".join(self._heard.popleft() for _ in range(len(self._heard)))
        self._unwritten = _shortened(self._unwritten + heard)
        if not self._unwritten:
            return
        try:
            if self._text is None:
                self._text = read_output(self._address)
            text = _shortened(self._text + self._unwritten)
            _put(self._address, text)
        except Exception:  # a place that is away must end no trial; the next time is another try
            return
        self._text, self._unwritten = text, ""


def _shortened(text: str) -> str:
    return text if len(text) <= MOST else LEFT_OUT + text[len(LEFT_OUT) - MOST :]


def _put(address: str, text: str) -> None:
    """Write a file whole: whoever is killed in the middle leaves the one before."""
    filesystem, path = fsspec.core.url_to_fs(address)
    said = text.encode("utf-8", "replace")
    if not isinstance(filesystem, LocalFileSystem):
        filesystem.pipe_file(path, said)
        return
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    coming = file.with_name(f".{file.name}.{os.getpid()}")
    coming.write_bytes(said)
    coming.replace(file)
