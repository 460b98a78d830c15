"""Where data lies: a path, an archive, a URL of any filesystem that fsspec knows, or a name on the Hugging Face hub."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec

from gradfleet.data.archive import is_archive, unpack
from gradfleet.data.download import Download
from gradfleet.data.scratch import Scratch
from gradfleet.errors import DataError

HUB = "hub:"
_OFFLINE = (
    "Offline, pass a path: a folder of class folders, a CSV, JSON lines or Parquet file, an archive, or a folder that "
    "datasets' save_to_disk wrote."
)


def anchored(name: str) -> str:
    """A path as one of the working folder now, wherever a worker will stand; a URL or a name on the hub stays."""
    return name if "://" in name or name.startswith(HUB) else os.path.abspath(name)


def located(given: Any, scratch: Scratch) -> Any:
    """What was given, on this machine: a URL is fetched and an archive is unpacked, once; anything else stays.

    Args:
        given: a path, a URL, a `Download`, or data itself.

    Raises:
        DataError: it cannot be fetched or unpacked.
    """
    if not isinstance(given, Download | str | os.PathLike):
        return given
    download = given if isinstance(given, Download) else Download(os.fspath(given))
    name = download.url
    if name.startswith(HUB):
        return _from_hub(name.removeprefix(HUB))
    if name not in scratch.known:
        path = _fetched(download, scratch) if "://" in name else Path(name)
        scratch.known[name] = unpack(path, scratch.folder(name)) if is_archive(path) else path
    return scratch.known[name]


def _fetched(download: Download, scratch: Scratch) -> Path:
    """A local copy of a file or folder; a local URL is its path."""
    url, callback = download.url, download.callback()
    try:
        filesystem, path = fsspec.core.url_to_fs(url, **download.options)
        if isinstance(filesystem, fsspec.implementations.local.LocalFileSystem):
            return Path(path)
        target = scratch.folder(url.rstrip("/").rpartition("/")[0]) / (Path(path).name or "data")
        if not filesystem.exists(path):
            raise DataError(f"There is nothing at {url}.")
        if filesystem.isdir(path):
            filesystem.get(path.rstrip("/") + "/", f"{target}/", recursive=True, callback=callback)
        else:
            filesystem.get_file(path, str(target), callback=callback)
    except DataError:
        raise
    except ImportError as problem:
        raise DataError(
            f"To read {url} a package is missing: {problem}. Install it, or copy the data here."
        ) from problem
    except Exception as problem:  # every filesystem has its own errors
        raise DataError(f"{url} cannot be read: {type(problem).__name__}: {problem}") from problem
    return target


def _from_hub(name: str) -> Any:
    """The data set of that name on the Hugging Face hub; no code of it is run.

    Raises:
        DataError: the hub cannot be reached or has no such data set.
    """
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    if constants.HF_HUB_OFFLINE or not _reachable(host):
        raise DataError(f"The data set {name!r} is on the Hugging Face hub, which cannot be reached. {_OFFLINE}")
    import datasets

    try:
        return datasets.load_dataset(name)
    except Exception as problem:
        raise DataError(f"The data set {name!r} cannot be read from the hub: {problem} {_OFFLINE}") from problem


def _reachable(host: str) -> bool:
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        return False
    return True
