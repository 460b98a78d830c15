"""Checkpoint folders by address: a local path or any fsspec URL."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from gradfleet.training.state.checkpoint import read_files, write_files

if TYPE_CHECKING:  # it imports torch, which reading a study takes nothing of
    from gradfleet.trials.plan import TrialPlan

_EXTRA = "extra.json"
_LIST = ".files.json"


def epoch_address(checkpoints: str, epoch: int) -> str:
    """The address of one epoch's checkpoint under a trial's own place."""
    return f"{checkpoints.rstrip('/')}/epoch-{epoch:04d}"


def epoch_of(address: str) -> int:
    """The epoch of a checkpoint's address."""
    return int(address.rstrip("/").rpartition("-")[2])


def write(address: str, save: Callable[[Path], object]) -> str:
    """Have `save` write a folder, and return its address once all of it is there.

    A local folder is written in place (`save` is atomic); anything else is written to a temporary folder first. With it
    goes a list of its files and their sizes, see `is_whole`.
    """
    filesystem, path = fsspec.core.url_to_fs(address)
    if isinstance(filesystem, LocalFileSystem):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save(Path(path))
        _list_files(Path(path))
        return address
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, "checkpoint")
        save(local)
        _list_files(local)
        filesystem.put(f"{local}/", path, recursive=True)
    return address


def is_whole(address: str) -> bool:
    """Whether every file that was written there is there in its full size; a disk or a host may have gone since.

    A folder without a list, written by hand or by an older version, is taken for whole.
    """
    filesystem, path = fsspec.core.url_to_fs(address)
    if not filesystem.exists(path):
        return False
    try:
        sizes = json.loads(filesystem.cat_file(f"{path}/{_LIST}"))
        return all(filesystem.size(f"{path}/{name}") == size for name, size in sizes.items())
    except FileNotFoundError:
        return not filesystem.exists(f"{path}/{_LIST}")
    except ValueError:  # the list itself was cut short
        return False


def _list_files(folder: Path) -> None:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != _LIST]
    sizes = {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}
    (folder / _LIST).write_text(json.dumps(sizes), encoding="utf-8")


def fetch(address: str) -> Path:
    """A local folder with the checkpoint's files: the folder itself, or a copy that lives until the process ends."""
    filesystem, path = fsspec.core.url_to_fs(address)
    if isinstance(filesystem, LocalFileSystem):
        return Path(path)
    local = Path(tempfile.mkdtemp(prefix="gradfleet-checkpoint-"))
    filesystem.get(f"{path}/", str(local), recursive=True)
    return local


def write_checkpoint(plan: TrialPlan, epoch: int, files: Mapping[str, bytes], extra: Mapping[str, Any]) -> str | None:
    """Write one epoch's checkpoint of a recipe that has no Model; its address, or None where the plan keeps none.

    Args:
        files: what was learned, by name; no code.
        extra: JSON that `read_checkpoint` gives back.
    """
    if plan.checkpoints is None:
        return None
    content = {**files, _EXTRA: json.dumps(dict(extra), ensure_ascii=False).encode()}
    return write(epoch_address(plan.checkpoints, epoch), partial(write_files, files=content))


def read_checkpoint(folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files and the JSON that `write_checkpoint` was given.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
    """
    files = read_files(folder)
    return files, json.loads(files.pop(_EXTRA))
