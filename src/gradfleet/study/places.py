"""Where the files of a study lie when nobody says so."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from gradfleet.errors import SettingError
from gradfleet.study.artifacts import absolute
from gradfleet.study.storage.database import parse_url, shown, sqlite_file


def artifacts_of(store: str | Path | None, artifacts: str | None = None) -> str:
    """The URL of a store's artifacts: the given one, else the folder `gradfleet-artifacts` beside its SQLite file.

    Raises:
        SettingError: the store is a server, which has no place beside it, and no artifacts are given.
    """
    if artifacts is not None:
        return absolute(artifacts)
    url = parse_url(store)
    file = sqlite_file(url)
    if file is None:
        raise SettingError(f"The store {shown(url)} is a server: pass artifacts= with a place that all workers reach.")
    return str(file.parent.absolute() / "gradfleet-artifacts")


def own_folder() -> Path:
    """A temporary folder that nobody else may read, whoever shares the machine.

    Raises:
        SettingError: its name is taken by somebody else.
    """
    folder = Path(tempfile.gettempdir(), f"gradfleet-{getpass.getuser()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise SettingError(f"{folder} is somebody else's. Set TMPDIR to a folder of your own, or use local artifacts.")
    return folder


def prepared_folder(artifacts: str) -> Path:
    """Where data is prepared: under local artifacts, for the next sweep to find it; else in a temporary folder."""
    filesystem, path = fsspec.core.url_to_fs(artifacts)
    if isinstance(filesystem, LocalFileSystem):
        return Path(path, "prepared")
    return own_folder() / "prepared"


def driver_log(artifacts: str, study: str) -> Path:
    """What a study's driver says, where it runs: beside local checkpoints, else in a temporary folder."""
    filesystem, path = fsspec.core.url_to_fs(artifacts)
    if isinstance(filesystem, LocalFileSystem):
        return Path(path, study, "driver.log")
    return own_folder() / "logs" / hashlib.sha256(artifacts.encode()).hexdigest()[:12] / f"{study}.log"


def kept_job(artifacts: str, study: str) -> Mapping[str, str] | None:
    """What is kept of the job that drives a study; None where it was never sent, or is driven from a host since."""
    filesystem, path = fsspec.core.url_to_fs(_job_file(artifacts, study))
    if not filesystem.exists(path):
        return None
    kept: dict[str, str] = json.loads(filesystem.cat_file(path))
    return kept


def keep_job(artifacts: str, study: str, job: Mapping[str, str]) -> None:
    """Keep what `kept_job` says: under `driver` the import path of what speaks with the job, under `page` its page."""
    filesystem, path = fsspec.core.url_to_fs(_job_file(artifacts, study))
    filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
    filesystem.pipe_file(path, json.dumps(dict(job)).encode())


def forget_job(artifacts: str, study: str) -> None:
    """Have a study that is driven from a host now be that of no job any more."""
    filesystem, path = fsspec.core.url_to_fs(_job_file(artifacts, study))
    if filesystem.exists(path):
        filesystem.rm_file(path)


def _job_file(artifacts: str, study: str) -> str:
    return f"{artifacts}/{study}/job.json"
