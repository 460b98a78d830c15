"""Data sets that were uploaded: files below the service's folder for data, whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from gradfleet.data.archive import check, is_archive
from gradfleet.data.tables import is_table_file
from gradfleet.errors import ConflictError, DataError, NoSpaceError, NotFoundError, SettingError, unknown_name
from gradfleet.service import documents
from gradfleet.service.service import Service
from gradfleet.service.settings import MEGABYTE
from gradfleet.study.storage.store import SAFE_NAME
from gradfleet.trials.space import FULL

_COMING = ".coming-"
"""What folders are called that hold a file while it comes."""

_DAY = 24 * 3600.0  # seconds


def listed(service: Service) -> list[documents.Dataset]:
    """All that specs may name as `data`: what lies directly in the folder, by name."""
    found = sorted(service.settings.data.iterdir(), key=lambda path: path.name)
    return [one for path in found if not path.name.startswith(".") and (one := _document(path)) is not None]


@contextmanager
def receiving(service: Service, name: str) -> Iterator[IO[bytes]]:
    """A file to write what comes into; it is there under its name when that was all and it can be data.

    Raises:
        SettingError: the name cannot be one of a data set, or there is no room.
        ConflictError: something has the name.
        DataError: it is an archive that cannot be trusted or read.
        NoSpaceError: the disk is full.
    """
    target = _target(service, name)
    with TemporaryDirectory(prefix=_COMING, dir=service.settings.data) as folder:
        coming = Path(folder, name)
        try:
            with coming.open("wb") as file:
                yield file
        except OSError as error:
            if error.errno in (*FULL, errno.EFBIG):
                raise NoSpaceError(
                    f"There is no room for {name} ({error.strerror}). Delete data sets first."
                ) from error
            raise
        _check_room(service)
        _check(coming)
        try:
            _give_name(coming, target)
        except FileExistsError:
            raise _taken(name) from None


def _give_name(coming: Path, target: Path) -> None:
    """Unlike a rename, a link replaces nothing; where there are no links, the name is taken first.

    Raises:
        FileExistsError: it is another's.
    """
    try:
        target.hardlink_to(coming)
    except FileExistsError:
        raise
    except OSError:
        target.touch(exist_ok=False)
        coming.replace(target)


def clear_leftovers(data: Path) -> None:
    """Delete what was left of uploads whose service was killed; one that still comes is younger than a day."""
    for folder in data.glob(f"{_COMING}*"):
        with contextlib.suppress(FileNotFoundError):  # another service over this folder clears it too
            if time.time() - folder.stat().st_mtime > _DAY:
                shutil.rmtree(folder, ignore_errors=True)


def delete(service: Service, name: str) -> None:
    """Delete an uploaded file.

    Raises:
        NotFoundError: there is no such file.
    """
    path = service.settings.data / name
    if not SAFE_NAME.fullmatch(name) or not path.is_file():
        raise NotFoundError(unknown_name("uploaded data set", name, [one.name for one in listed(service)]))
    path.unlink(missing_ok=True)


def show(service: Service, name: str) -> documents.Dataset:
    """One data set.

    Raises:
        NotFoundError: it is gone.
    """
    found = _document(service.settings.data / name)
    if found is None:
        raise NotFoundError(unknown_name("data set", name, [one.name for one in listed(service)]))
    return found


def _target(service: Service, name: str) -> Path:
    path = service.settings.data / name
    if not SAFE_NAME.fullmatch(name) or not (is_archive(path) or is_table_file(path)):
        raise SettingError(
            "A data set is a file with a plain name that says what it is, such as flowers.zip, reviews.csv or "
            f"rows.parquet; got {name[:100]!r}."
        )
    if path.exists():
        raise _taken(name)
    _check_room(service)
    return path


def _check(file: Path) -> None:
    if file.stat().st_size == 0:
        raise DataError(f"{file.name} is empty: nothing has come.")
    if is_archive(file):
        check(file)
    elif zipfile.is_zipfile(file):
        raise DataError(f"{file.name} is an archive, so its name ends with .zip.")


def _check_room(service: Service) -> None:
    data = service.settings.data
    sizes = [_size(path) for path in (*data.iterdir(), *data.glob(f"{_COMING}*/*"))]
    total = sum(size for size in sizes if size is not None)
    most = service.settings.limits.uploads
    if total > most:
        raise SettingError(f"Uploads may have {most / MEGABYTE:,.0f} MB together; delete what is not needed first.")


def _taken(name: str) -> ConflictError:
    return ConflictError(f"A data set called {name!r} is there already. Delete it first, or choose another name.")


def _document(path: Path) -> documents.Dataset | None:
    """None of what has just been deleted."""
    size = _size(path)
    if size is None and not path.is_dir():
        return None
    return documents.Dataset(name=path.name, bytes=size, is_folder=size is None)


def _size(path: Path) -> int | None:
    """Bytes of a file; None of a folder, and of what has just been deleted."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
