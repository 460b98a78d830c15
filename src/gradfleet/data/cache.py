"""Prepared folders: written whole or not at all, used by everybody who prepares the same."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

MANIFEST = "manifest.json"
FORMAT = 3
_READABLE = (2, FORMAT)  # what was prepared before is read, but not found for data that is prepared now


def prepare_once(folder: Path, key: str, fill: Callable[[Path], Mapping[str, Any]]) -> Path:
    """The folder `folder/key`, filled unless it is there and intact.

    `fill` writes into an empty folder and returns what the manifest is to say. That folder takes its final name only
    when it is complete, so a killed process leaves nothing that is later believed; of several processes one fills and
    the others wait. When `fill` raises, nothing it made remains.
    """
    place = folder / key
    if read_manifest(place) is not None:
        return place
    with _made(folder), _locked(folder / f".{key}.lock"):
        if read_manifest(place) is None:
            _fill(place, fill)
    return place


def read_manifest(place: Path) -> dict[str, Any] | None:
    """What a prepared folder says about itself; None when it is missing, of another format, or lacks bytes."""
    try:
        manifest: dict[str, Any] = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        sizes = {name: (place / name).stat().st_size for name in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if manifest["format"] in _READABLE and manifest["files"] == sizes else None


def _fill(place: Path, fill: Callable[[Path], Mapping[str, Any]]) -> None:
    _remove_leftovers(place)
    draft = _new_draft(place)
    try:
        content = fill(draft)
        _write_manifest(draft, content)
        _install(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _new_draft(place: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{_draft_prefix(place)}{os.getpid()}~", dir=place.parent))


def _draft_prefix(place: Path) -> str:
    return f".{place.name}~{socket.gethostname()}~"


def _remove_leftovers(place: Path) -> None:
    """Take away the drafts of processes of this host that were killed."""
    prefix = _draft_prefix(place)
    for left in place.parent.glob(f"{prefix}*"):
        owner = left.name.removeprefix(prefix).split("~")[0]
        if not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _write_manifest(draft: Path, content: Mapping[str, Any]) -> None:
    files = {path.name: path.stat().st_size for path in sorted(draft.iterdir())}
    manifest = {"format": FORMAT, **content, "files": files}
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in draft.iterdir():
        flush(path)  # else a power cut could leave a file of the right size without its bytes
    draft.chmod(0o755)  # mkdtemp's own mode would keep a worker of another user out


def flush(path: Path) -> None:
    """Have a file, or the names that a folder holds, on disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _install(draft: Path, place: Path) -> None:
    try:
        draft.rename(place)
    except OSError:
        if read_manifest(place) is not None:
            return  # somebody whom the lock does not reach, such as another node, was faster
        damaged = _new_draft(place)
        place.rename(damaged)
        draft.rename(place)
        shutil.rmtree(damaged, ignore_errors=True)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make `folder`; when what follows fails, take away again what was made."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # not empty: somebody else uses it by now
                path.rmdir()
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with FileLock(path):
        try:
            yield
        finally:
            # Whoever waits for the removed file gets in together with a newcomer: double work, never wrong work.
            path.unlink(missing_ok=True)
