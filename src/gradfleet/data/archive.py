"""Zip and tar archives opened safely: members are copied one by one, and none may lie outside or swell without end."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self, cast

from gradfleet.data.image_files import IMAGE_SUFFIXES
from gradfleet.data.problems import listed
from gradfleet.data.unpacked_size import RATIO, most_bytes
from gradfleet.errors import DataError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MOST_MEMBERS = 10_000_000
_MOST_AT_ONCE = 2**24  # bytes of one read; a tar's header may say that it has gigabytes, which are read as a whole
_MOST_LISTED = 2**28  # bytes of a zip's list of members, which is read as a whole before any of them is looked at
_CHUNK = 2**20
_SWELLS = "says that it has"


_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    OSError,
    NotImplementedError,  # a way to compress that zipfile does not know
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive.

    Attributes:
        size: bytes, as the archive says.
        open: its content, to be read before the next member is asked for.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """By its name."""
    return path.name.lower().endswith(SUFFIXES)


def check(archive: Path) -> None:
    """Refuse, without unpacking it, what `unpack` would refuse for its members' names, kinds and said sizes.

    Raises:
        DataError: it is damaged or encrypted, too large when unpacked, or a member is a link or lies outside.
    """
    said, has_files, limit = 0, False, most_bytes(archive)
    with _readable(archive):
        for member in _members(archive):
            _target(archive, Path(), member.name)
            said, has_files = said + member.size, True
            _allow(archive, said, limit)
    if not has_files:
        raise DataError(f"{archive.name} holds no files.")


def unpack(archive: Path, folder: Path) -> Path:
    """Copy every file of a zip or tar below `folder`; the folder that holds the content, without a lone one around it.

    Raises:
        DataError: it is damaged, encrypted or too large when unpacked, or a member is a link or lies outside.
    """
    if not archive.exists():
        raise DataError(f"There is no file {archive}.")
    limit = min(most_bytes(archive), shutil.disk_usage(folder).free)
    written = 0
    with _readable(archive):
        for member in _members(archive):
            written = _copy(member, _target(archive, folder, member.name), written, limit, archive)
    return _check_content(archive, _content(folder))


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """A damaged archive is a mistake in the data."""
    try:
        yield
    except _DAMAGE as problem:
        raise DataError(f"{archive.name} cannot be unpacked: {problem}.") from problem


def _members(archive: Path) -> Iterator[Member]:
    """Its files, in its own order; links, devices and encrypted ones are refused."""
    with _opened(archive) as members:
        for number, member in enumerate(members, 1):
            if number > _MOST_MEMBERS:
                raise DataError(f"{archive.name} has more than {_MOST_MEMBERS:,} files.")
            yield member


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[Member]]:
    with archive.open("rb") as file:
        if zipfile.is_zipfile(file):
            gradual = cast("IO[bytes]", _Gradual(file, "its list of files", _MOST_LISTED))
            with zipfile.ZipFile(gradual) as opened:
                yield _of_zip(archive, opened)
        else:
            file.seek(0)
            try:
                tar = _Tar.open(fileobj=file)
            except tarfile.ReadError as problem:
                if _SWELLS in str(problem):  # what `_Gradual` has refused, among what each format says
                    raise
                raise tarfile.ReadError("it is neither a zip nor a tar, or its beginning is damaged") from problem
            with tar:
                yield _of_tar(archive, tar)


def _of_zip(archive: Path, opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        if (info.external_attr >> 16) & 0o170000 == 0o120000:
            raise DataError(_refused(archive, info.filename, "is a link"))
        if info.flag_bits & 1:
            raise DataError(_refused(archive, info.filename, "is encrypted"))
        if not info.filename.endswith("/"):
            yield Member(info.filename, info.file_size, partial(opened.open, info))


class _Tar(tarfile.TarFile):
    """Reads through `_Gradual`, below which is what decompresses."""

    members: list[tarfile.TarInfo]

    @classmethod
    def taropen(cls, name: Any, mode: Any = "r", fileobj: Any = None, **options: Any) -> Self:
        return super().taropen(name, mode, _Gradual(fileobj, "a header", _MOST_AT_ONCE), **options)


class _Gradual:
    """A file of which nobody reads much at once.

    Args:
        what: is read as a whole, however long it says that it is.
        most: bytes.
    """

    def __init__(self, file: Any, what: str, most: int) -> None:
        self._file = file
        self._what = what
        self._most = most

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise tarfile.ReadError(f"{self._what} {_SWELLS} {size:,} bytes, and at most {self._most:,} are read")
        content: bytes = self._file.read(size)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _of_tar(archive: Path, tar: _Tar) -> Iterator[Member]:
    while (one := tar.next()) is not None:
        tar.members.clear()  # it keeps every header: ten million of them shrink to a few megabytes, and are gigabytes
        if not one.isdir() and not one.isfile():
            raise DataError(_refused(archive, one.name, "is a link or a device"))
        if one.isfile():
            yield Member(one.name, one.size, partial(_content_of, tar, one))


def _content_of(tar: tarfile.TarFile, one: tarfile.TarInfo) -> IO[bytes]:
    extracted = tar.extractfile(one)
    assert extracted is not None, "a regular file has content"
    return extracted


def _target(archive: Path, folder: Path, name: str) -> Path:
    parts = PurePosixPath(name.replace("\\", "/"))
    if not parts.parts or parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise DataError(_refused(archive, name, "lies outside the archive's own folder"))
    return folder.joinpath(*parts.parts)


def _copy(member: Member, target: Path, written: int, limit: int, archive: Path) -> int:
    """Write one member; how many bytes the whole archive has come to."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("wb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as problem:
        raise DataError(
            f"{archive.name} cannot be unpacked: it has a file and a folder of one name, "
            f"{Path(problem.filename).name!r}."
        ) from problem
    with file, member.open() as content:
        while chunk := content.read(_CHUNK):
            written += len(chunk)
            _allow(archive, written, limit)
            file.write(chunk)
    return written


def _allow(archive: Path, size: int, limit: int) -> None:
    if size > limit:
        raise DataError(
            f"{archive.name} unpacks to more than {limit / 2**20:,.0f} MB, {RATIO} times its own size or all the room "
            "on the disk, so it may be made to fill it. Unpack it yourself if you trust it, and pass the folder."
        )


def _refused(archive: Path, name: str, reason: str) -> str:
    return f"{archive.name} cannot be trusted: its member {name!r} {reason}. Nothing of it is used."


def _check_content(archive: Path, folder: Path) -> Path:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX")))
    if not entries:
        raise DataError(f"{archive.name} holds no files.")
    if all(entry.is_file() and is_archive(entry) for entry in entries):
        names = listed(entry.name for entry in entries)
        raise DataError(f"{archive.name} holds nothing but archives: {names}. Unpack it, and pass one of them.")
    return folder


def _content(folder: Path) -> Path:
    """Below a folder that stands alone, such as one of the archive's own name; a lone folder of images is a class."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    if len(entries) != 1 or not entries[0].is_dir():
        return folder
    inner = [entry for entry in entries[0].iterdir() if not entry.name.startswith(".")]
    holds_more = any(entry.is_dir() or entry.suffix.lower() not in IMAGE_SUFFIXES for entry in inner)
    return _content(entries[0]) if holds_more else folder
