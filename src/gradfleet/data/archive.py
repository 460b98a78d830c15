"""Zip and tar archives opened safely: members are copied one by one, and none may lie outside or swell without end."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from gradfleet.data.vision import SUFFIXES as IMAGES
from gradfleet.errors import DataError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_RATIO = 100  # pictures hardly shrink and texts shrink to a fifth; a bomb shrinks to a thousandth
_ALWAYS_FINE = 2**28  # bytes that an archive of any size may unpack to
_MOST_MEMBERS = 10_000_000
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive, to be read when its turn comes."""

    name: str
    content: IO[bytes]


def is_archive(path: Path) -> bool:
    """By its name."""
    return path.name.lower().endswith(SUFFIXES)


def check(archive: Path) -> None:
    """Refuse, without unpacking it, what `unpack` would refuse for its members' names, kinds and said sizes.

    Raises:
        DataError: it is damaged or encrypted, too large when unpacked, or a member is a link or lies outside.
    """
    limit, said = max(_ALWAYS_FINE, _RATIO * archive.stat().st_size), 0
    try:
        for number, (name, size) in enumerate(_listed(archive), 1):
            _target(archive, Path(), name)
            said += size
            if number > _MOST_MEMBERS or said > limit:
                raise DataError(_bomb(archive, limit))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as problem:
        raise DataError(f"{archive.name} cannot be unpacked: {problem}.") from problem


def _listed(archive: Path) -> Iterator[tuple[str, int]]:
    """Name and size of each file, as the archive says."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if (info.external_attr >> 16) & 0o170000 == 0o120000:
                    raise DataError(_refused(archive, info.filename, "is a link"))
                if info.flag_bits & 1:
                    raise DataError(_refused(archive, info.filename, "is encrypted"))
                yield info.filename, info.file_size
        return
    with tarfile.open(archive) as tar:
        for one in tar:
            if not one.isdir() and not one.isfile():
                raise DataError(_refused(archive, one.name, "is a link or a device"))
            yield one.name, one.size


def unpack(archive: Path, folder: Path) -> Path:
    """Copy every file of a zip or tar below `folder`; the folder that holds the content, without a lone one around it.

    Raises:
        DataError: it is damaged, encrypted or too large when unpacked, or a member is a link or lies outside.
    """
    if not archive.exists():
        raise DataError(f"There is no file {archive}.")
    limit = max(_ALWAYS_FINE, _RATIO * archive.stat().st_size)
    room = shutil.disk_usage(folder).free
    written = 0
    try:
        for number, member in enumerate(_members(archive), 1):
            if number > _MOST_MEMBERS:
                raise DataError(f"{archive} has more than {_MOST_MEMBERS:,} files.")
            written = _copy(member, _target(archive, folder, member.name), written, min(limit, room), archive)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, NotImplementedError) as problem:
        # RuntimeError is what zipfile raises for a password, and lzma and zlib have errors of their own below OSError.
        raise DataError(f"{archive} cannot be unpacked: {problem}.") from problem
    except Exception as problem:
        if isinstance(problem, DataError) or type(problem).__module__ not in ("zlib", "_lzma", "lzma"):
            raise
        raise DataError(f"{archive} cannot be unpacked: {problem}.") from problem
    return _content(folder)


def _members(archive: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if (info.external_attr >> 16) & 0o170000 == 0o120000:
                    raise DataError(_refused(archive, info.filename, "is a link"))
                if not info.is_dir():
                    with opened.open(info) as content:
                        yield Member(info.filename, content)
        return
    with tarfile.open(archive) as tar:
        for one in tar:
            if one.isdir():
                continue
            if not one.isfile():
                raise DataError(_refused(archive, one.name, "is a link or a device"))
            extracted = tar.extractfile(one)
            assert extracted is not None, "a regular file has content"
            yield Member(one.name, extracted)


def _target(archive: Path, folder: Path, name: str) -> Path:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise DataError(_refused(archive, name, "lies outside the archive's own folder"))
    return folder.joinpath(*parts.parts)


def _copy(member: Member, target: Path, written: int, limit: int, archive: Path) -> int:
    """Write one member; how many bytes the whole archive has come to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        while chunk := member.content.read(_CHUNK):
            written += len(chunk)
            if written > limit:
                raise DataError(_bomb(archive, limit))
            file.write(chunk)
    return written


def _bomb(archive: Path, limit: int) -> str:
    return (
        f"{archive} unpacks to more than {limit / 2**20:,.0f} MB, {_RATIO} times its own size or all the room on the "
        "disk, so it may be made to fill it. Unpack it yourself if you trust it, and pass the folder."
    )


def _refused(archive: Path, name: str, reason: str) -> str:
    return f"{archive} cannot be trusted: its member {name!r} {reason}. Nothing of it is used."


def _content(folder: Path) -> Path:
    """Below a folder that stands alone, such as one of the archive's own name; a lone folder of images is a class."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    if len(entries) != 1 or not entries[0].is_dir():
        return folder
    inner = [entry for entry in entries[0].iterdir() if not entry.name.startswith(".")]
    holds_more = any(entry.is_dir() or entry.suffix.lower() not in IMAGES for entry in inner)
    return _content(entries[0]) if holds_more else folder
