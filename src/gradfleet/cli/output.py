"""What a command prints: data on stdout, for people or as one JSON object."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

import typer


def show(text: str) -> None:
    """One or more lines of data on stdout."""
    typer.echo(text)


def note(text: str) -> None:
    """One line about the data, on stderr."""
    typer.echo(text, err=True)


def show_json(values: Mapping[str, Any]) -> None:
    """The one object of `--json`; what is no number in JSON (NaN, infinity) becomes null."""
    show(json.dumps(_plain(values), indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def users_code() -> Iterator[None]:
    """While code of the user's own may run: what that prints is no data, and goes to stderr."""
    with redirect_stdout(cast(TextIO, _Aside(sys.stderr))):
        yield


class _Aside:
    """A stream that is not the same object: whoever takes over both streams of `sys` has two to tell apart."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def on_terminal() -> bool:
    """Whether somebody reads stdout as it comes."""
    return sys.stdout.isatty()


def number(value: float | None, digits: int = 4) -> str:
    """As people read it: empty for a number that is not there."""
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def pairs(values: Mapping[str, object]) -> str:
    """A line a name, the values below each other."""
    width = max(map(len, values), default=0)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in values.items())


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = ()) -> str:
    """A header and rows in columns of text, numbers to the right.

    Args:
        left: the columns of words, which stand to the left.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    to_left = [name in left for name in header]

    def line(cells: Sequence[str]) -> str:
        placed = zip(cells, widths, to_left, strict=True)
        return "  ".join(f"{cell:{'<' if words else '>'}{width}}" for cell, width, words in placed).rstrip()

    return "\n".join(line(cells) for cells in (header, *rows))


def _plain(value: Any) -> Any:
    """JSON values of what a study or a frame holds; numpy's numbers become Python's."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
