"""A checkpoint: a folder of readable files with a manifest, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradfleet.data.cache import flush
from gradfleet.errors import CheckpointError

MANIFEST = "manifest.json"
DESCRIPTION = "model.json"
FORMAT = 1


def write_files(folder: Path, files: Mapping[str, bytes], *, durable: bool = True) -> None:
    """Make `folder` hold exactly `files` and their manifest, replacing what was there.

    The files are written under another name first. A process that dies leaves either what was there before or all of
    the new; while an old folder is being replaced it lies beside it as `.NAME.previous`, where `read_files` finds it.

    Args:
        durable: whether the same holds when the machine dies, for which every file is flushed to the disk. That takes
            several times as long as all the rest; without it a file may be empty afterwards, which reading finds out.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.making")
    making.mkdir()
    try:
        for name, content in {**files, MANIFEST: _manifest(files)}.items():
            _write(making / name, content, durable=durable)
        _put_in_place(making, folder, durable=durable)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a checkpoint, each found to be what the manifest says.

    Raises:
        CheckpointError: there is no checkpoint, or a file is missing or damaged; the file is named.
    """
    place, sizes = _open(folder)
    return {name: _read(place, name, sizes[name]) for name in sizes}


def read_description(folder: Path) -> dict[str, Any]:
    """What the checkpoint says of itself: epoch, history, settings; without reading the weights.

    Raises:
        CheckpointError: as `read_files`, for that one file.
    """
    place, sizes = _open(folder)
    if DESCRIPTION not in sizes:
        raise CheckpointError(f"The checkpoint {folder} has no {DESCRIPTION}.")
    description: dict[str, Any] = json.loads(_read(place, DESCRIPTION, sizes[DESCRIPTION]))
    return description


def read_extra(folder: Path | str) -> dict[str, Any]:
    """What `Model.save` was given as `extra`.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
    """
    extra: dict[str, Any] = read_description(Path(folder))["extra"]
    return extra


def _manifest(files: Mapping[str, bytes]) -> bytes:
    listed = {name: {"size": len(content), "sha256": _digest(content)} for name, content in files.items()}
    return json.dumps({"format": FORMAT, "files": listed}, indent=1).encode()


def _open(folder: Path) -> tuple[Path, dict[str, dict[str, Any]]]:
    previous = previous_of(folder.absolute())
    place = previous if previous.is_dir() and not folder.is_dir() else folder
    try:
        manifest = json.loads((place / MANIFEST).read_bytes())
        found, files = manifest["format"], dict(manifest["files"])
    except FileNotFoundError:
        raise CheckpointError(f"There is no checkpoint at {folder}: {MANIFEST} is not there.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The checkpoint {folder} is damaged: {MANIFEST} cannot be read ({error}).") from error
    if found != FORMAT:
        raise CheckpointError(f"The checkpoint {folder} has format {found}; this version reads format {FORMAT}.")
    return place, files


def _read(place: Path, name: str, listed: Mapping[str, Any]) -> bytes:
    try:
        content = (place / name).read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"The checkpoint {place} is damaged: {name} is missing.") from None
    if len(content) != listed["size"]:
        raise CheckpointError(
            f"The checkpoint {place} is damaged: {name} has {len(content)} bytes instead of {listed['size']}."
        )
    if _digest(content) != listed["sha256"]:
        raise CheckpointError(f"The checkpoint {place} is damaged: the content of {name} is not what was written.")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes, *, durable: bool) -> None:
    with path.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def previous_of(folder: Path) -> Path:
    """Where the old one lies while a checkpoint is being replaced."""
    return folder.with_name(f".{folder.name}.previous")


def _put_in_place(made: Path, folder: Path, *, durable: bool) -> None:
    if durable:
        flush(made)
    previous = previous_of(folder)
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    made.rename(folder)
    if durable:
        flush(folder.parent)  # a rename is on disk only when the folder that holds the name is
    shutil.rmtree(previous, ignore_errors=True)
