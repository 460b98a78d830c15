"""How the characters of a text file are written: as its byte order mark says, as UTF-8, else as Windows-1252."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path

import fsspec

from gradfleet.errors import DataError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MOST_BEYOND_ASCII = 0.3  # of the characters of a text in Windows-1252; no language that it is for has half as many
IN_PYTHON = "In Python, a frame that pandas has read can be passed instead."


def marked(path: Path) -> str | None:
    """The encoding that a file's byte order mark says; None where it has none."""
    with fsspec.open(str(path), "rb", compression="infer") as file:
        start = file.read(4)
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)


def text_of(path: Path) -> str:
    """What a file of one text holds, in UTF-8 or what its byte order mark says.

    Raises:
        DataError: it is in something else, or cannot be read.
    """
    try:
        return path.read_text(marked(path) or "utf-8")
    except UnicodeDecodeError as problem:
        wrong = problem.object[problem.start]
        raise DataError(f"{path} is not UTF-8 (byte {wrong:#04x}). Save it as UTF-8.") from problem
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}.") from problem


def encoding_of(path: Path) -> tuple[str, list[str]]:
    """The encoding, and what is to be said of it; every byte is looked at.

    Raises:
        DataError: it is none that can be told.
    """
    if (encoding := marked(path)) is not None:
        return encoding, []
    try:
        for _ in _decoded(path, "utf-8"):
            pass
    except UnicodeDecodeError as problem:
        wrong = problem.object[problem.start]
    else:
        return "utf-8", []
    try:
        beyond = _part_beyond_ascii(_decoded(path, "cp1252"))
    except UnicodeDecodeError:
        beyond = 1.0
    if beyond > _MOST_BEYOND_ASCII:
        raise DataError(
            f"{path} is not UTF-8 (byte {wrong:#04x}), nor any encoding that can be told. Save it as UTF-8. {IN_PYTHON}"
        )
    return "cp1252", [f"{path.name} is not UTF-8 (byte {wrong:#04x}), so it was read as Windows-1252."]


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    with fsspec.open(str(path), "rt", compression="infer", encoding=encoding, newline="") as file:
        while text := file.read(2**20):
            yield text


def _part_beyond_ascii(texts: Iterable[str]) -> float:
    """Of all characters but spaces."""
    beyond = whole = 0
    for text in texts:
        packed = "".join(text.split())
        whole += len(packed)
        beyond += len(packed) - len(packed.encode("ascii", "ignore"))
    return beyond / max(whole, 1)
