"""The checkpoint to go on from when the one that was asked for is damaged."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from gradfleet.errors import CheckpointError
from gradfleet.training.state.checkpoint import DESCRIPTION, MANIFEST, previous_of, read_files

_OF_ONE_FIT = re.compile(r"last|exception|best|(best|epoch|step|time)-\d+")  # the names that callbacks.Checkpoint gives


def read_intact(folder: Path) -> tuple[Path, dict[str, bytes]]:
    """A checkpoint's files and where they lie: where it is damaged, in the latest intact one before it, with a warning.

    One beside it is before it when its records are the first ones of the damaged checkpoint. Where those cannot be
    read any more, it is taken to be when both have names that `callbacks.Checkpoint` gives.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged and so is everything before it.
    """
    try:
        return folder, read_files(folder)
    except CheckpointError as error:
        for place in _before(folder.absolute()) if folder.is_dir() else ():
            try:
                files = read_files(place)
            except CheckpointError:
                continue
            epochs = json.loads(files[DESCRIPTION])["epoch"]
            warnings.warn(f"{error} Going on from {place}, at epoch {epochs}.", RuntimeWarning, stacklevel=2)
            return place, files
        raise


def _before(folder: Path) -> Iterator[Path]:
    """The folders that may hold one before it, the latest first."""
    records = _records(folder)
    found: list[tuple[int, float, Path]] = []
    for place in folder.parent.iterdir():
        theirs = _records(place)
        if theirs is None or place == folder or not (place / MANIFEST).is_file():
            continue
        if place == previous_of(folder) or _is_before(place, theirs, folder, records):
            found.append((len(theirs), (place / MANIFEST).stat().st_mtime, place))
    yield from (place for _, _, place in sorted(found, reverse=True))


def _is_before(place: Path, theirs: list[str], folder: Path, records: list[str] | None) -> bool:
    if place.name.startswith("."):  # half written, or of another checkpoint
        return False
    if records is None:
        return bool(_OF_ONE_FIT.fullmatch(place.name) and _OF_ONE_FIT.fullmatch(folder.name))
    return bool(theirs) and theirs == records[: len(theirs)]


def _records(folder: Path) -> list[str] | None:
    """As text, in which NaN is NaN; None where they cannot be read."""
    try:
        return [json.dumps(one) for one in json.loads((folder / DESCRIPTION).read_bytes())["history"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
