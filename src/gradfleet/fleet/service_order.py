"""A call of a task's `fit` as what a service is asked for: a spec, with the data sent where it lies here."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradfleet.errors import ConflictError, Problems, SettingError
from gradfleet.fleet.service_client import ServiceClient
from gradfleet.fleet.service_sweep import ServiceSweep
from gradfleet.trials.resources import Resources

_SEARCH = frozenset(
    ("trials", "budget", "target", "patience", "epochs", "sampler", "scheduler", "seed", "keep", "repeats", "folds")
)
_SWITCHES = frozenset(("warm_start",))
_NOT_THERE = frozenset(("store", "artifacts", "resume", "retry_failed", "extend"))
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same folder gives the same bytes


def order(
    client: ServiceClient,
    task: str,
    data: str | Path,
    *,
    options: Mapping[str, Any],
    space: Mapping[str, Any] | None = None,
    name: str | None = None,
    resources: Resources | None = None,
    **said: Any,
) -> ServiceSweep:
    """Have a service run the sweep of a task.

    Args:
        data: a file or folder here, which is uploaded once; or what the service calls it.
        options: of the task.
        space: what narrows it.
        said: every other argument of `fit`; None leaves it to the service.

    Raises:
        SettingError: it cannot be, or asks for what a service has of its own.
        ConflictError: another sweep has the name.
        AccessError, ClusterError: the token is not enough, or no service answers.
    """
    problems = Problems()
    problems += [
        f"{key} is for sweeps that run without a service; leave it out." for key in sorted(_NOT_THERE) if said.get(key)
    ]
    problems.refuse()
    spec: dict[str, Any] = {"version": 1, "task": task, "data": placed(client, data)}
    spec |= {"name": name} if name is not None else {}
    spec |= {"options": dict(options)} if options else {}
    search = {key: value for key, value in said.items() if key in _SEARCH | _SWITCHES and value is not None}
    spec |= {"search": search} if search else {}
    spec |= {"space": dict(space)} if space else {}
    if resources is not None:
        spec["resources"] = {key: value for key, value in asdict(resources).items() if value is not None}
    return client.submit(spec)


def placed(client: ServiceClient, data: str | Path) -> str:
    """What the service calls this data: it is uploaded where it lies here and is not there yet.

    The name holds a part of the content's hash, so that the same data travels once.
    """
    path = Path(data).expanduser()
    if not path.exists():
        return str(data)
    with tempfile.TemporaryDirectory(prefix="gradfleet-upload-") as folder:
        file = _packed(path, Path(folder, "packed.zip")) if path.is_dir() else path
        with file.open("rb") as content:
            mark = hashlib.file_digest(content, "sha256").hexdigest()[:10]
        name = _sent_as(path, mark)
        if name not in client.datasets():
            with suppress(ConflictError):  # another client has sent the same meanwhile
                client.upload(name, file)
    return name


def _sent_as(path: Path, mark: str) -> str:
    """What is left of a file's or folder's name in plain letters, with a mark that says what is in it."""
    kept = [one for one in path.suffixes[-2:] if one.isascii() and one[1:].isalnum()]
    endings = ".zip" if path.is_dir() else "".join(kept)
    stem = path.resolve().name.removesuffix(endings)
    plain = "".join(one if one.isascii() and one.isalnum() else "-" for one in stem)
    return f"{plain.strip('-')[:60] or 'data'}-{mark}{endings}"


def _packed(folder: Path, to: Path) -> Path:
    files = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    if not files:
        raise SettingError(f"The folder {str(folder)!r} has no files to send.")
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in files:
            about = zipfile.ZipInfo(one.relative_to(folder).as_posix(), _LONG_AGO)
            with one.open("rb") as source, archive.open(about, "w", force_zip64=True) as target:
                while chunk := source.read(2**20):
                    target.write(chunk)
    return to
