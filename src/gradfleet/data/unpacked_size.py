"""How large what is packed may be: pictures hardly shrink, texts shrink to a fifth, and a bomb to a thousandth."""

from __future__ import annotations

from pathlib import Path

import fsspec

from gradfleet.errors import DataError

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Endings of single files that are unpacked while they are read."""

RATIO = 100
_ALWAYS_FINE = 2**28  # bytes that anything may unpack to
_AT_ONCE = 2**20  # bytes


def most_bytes(packed: Path) -> int:
    """That a file may unpack to."""
    return max(_ALWAYS_FINE, RATIO * packed.stat().st_size)


def check_packed(path: Path) -> None:
    """Unpack a single packed file once to see how large it is, keeping nothing; others are not looked at.

    Raises:
        DataError: it is far larger than any data would be.
    """
    if path.suffix.lower() not in PACKED:
        return
    most, came = most_bytes(path), 0
    with fsspec.open(str(path), "rb", compression="infer") as file:
        while chunk := file.read(_AT_ONCE):
            came += len(chunk)
            if came > most:
                raise DataError(
                    f"{path.name} has {path.stat().st_size:,} bytes and unpacks to more than {most:,}, which no table "
                    "does. Unpack it yourself if you trust it."
                )
