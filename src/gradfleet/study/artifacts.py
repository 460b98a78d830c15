"""Where the checkpoints of a store's studies lie: a folder by URL."""

from __future__ import annotations

from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from gradfleet.errors import NotFoundError, SettingError
from gradfleet.trials import checkpoints


def absolute(url: str) -> str:
    """`url` with a local path made absolute: a worker has another working folder.

    Raises:
        SettingError: no file system is known for it.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise SettingError(
            f"Artifacts need a folder or a URL such as s3://bucket/folder, got {url!r}: {error}."
        ) from error
    return str(path) if isinstance(filesystem, LocalFileSystem) else url.rstrip("/")


class Artifacts:
    """The folder at `url`, with a folder a study in it, and a folder a trial in that.

    Example:
        >>> Artifacts("/data/artifacts").place("digits", 3)
        '/data/artifacts/digits/trial-0003'
    """

    def __init__(self, url: str) -> None:
        self.url = absolute(url)

    def study(self, name: str) -> str:
        """The address of everything that belongs to one study."""
        return f"{self.url}/{name}"

    def place(self, study: str, number: int) -> str:
        """The address under which one trial writes its checkpoints."""
        return f"{self.study(study)}/trial-{number:04d}"

    def log(self, study: str, number: int) -> str:
        """The address of the file for what one trial prints."""
        return f"{self.study(study)}/logs/trial-{number:04d}.txt"

    def fetch(self, address: str) -> Path:
        """The files at `address` in a local folder: the folder itself, or a copy until this process ends.

        Raises:
            NotFoundError: nothing is there.
        """
        filesystem, path = fsspec.core.url_to_fs(address)
        if not filesystem.exists(path):
            raise NotFoundError(f"Nothing is at {address}; was it deleted by another program?")
        return checkpoints.fetch(address)

    def delete(self, address: str) -> None:
        """Remove a folder of ours with all that is in it. One that is gone, or that lies elsewhere, is left alone."""
        filesystem, path = fsspec.core.url_to_fs(address)
        _, ours = fsspec.core.url_to_fs(self.url)
        inside = path.startswith(f"{ours}/") and ".." not in path.split("/")
        if inside and filesystem.exists(path):
            filesystem.rm(path, recursive=True)
