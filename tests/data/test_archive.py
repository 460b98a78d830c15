from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pytest

from gradfleet.data.archive import check
from gradfleet.data.dataset import AutoDataset
from gradfleet.data.labelled import labelled
from gradfleet.errors import DataError

COUNTS = {"rose": 4, "tulip": 4}


def zipped(folder: Path, target: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, f"{prefix}{path.relative_to(folder)}")
    return target


def tarred(folder: Path, target: Path, mode: str) -> Path:
    with tarfile.open(target, mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, "flowers")
    return target


@pytest.mark.row("DA1")
def test_an_archive_or_url_of_a_folder_is_the_same_data(class_folders: Any, tmp_path: Path) -> None:
    folder = class_folders(COUNTS)
    fsspec.filesystem("memory").put(f"{folder}/", "/flowers/", recursive=True)
    sources = [
        zipped(folder, tmp_path / "a.zip"),
        zipped(folder, tmp_path / "b.zip", "flowers/"),
        tarred(folder, tmp_path / "a.tar", "w"),
        tarred(folder, tmp_path / "a.tar.gz", "w:gz"),
        f"file://{folder}",
        "memory://flowers",
    ]
    expected = AutoDataset(folder)
    for source in sources:
        assert AutoDataset(source).fingerprint == expected.fingerprint, source
    facts = expected.open().facts
    assert len(labelled(sources[0], facts).examples) == 8


@pytest.mark.row("DA1")
def test_a_folder_or_archive_of_a_bucket_is_the_same_data(class_folders: Any, tmp_path: Path, bucket: str) -> None:
    folder = class_folders(COUNTS)
    s3 = fsspec.filesystem("s3")
    s3.put(f"{folder}/", "flowers/pictures/", recursive=True)
    s3.put_file(str(zipped(folder, tmp_path / "a.zip")), "flowers/a.zip")
    expected = AutoDataset(folder).fingerprint
    for source in (f"{bucket}/pictures", f"{bucket}/a.zip"):
        assert AutoDataset(source).fingerprint == expected, source
    with pytest.raises(DataError, match="There is nothing at s3://flowers/nothing"):
        AutoDataset(f"{bucket}/nothing")


@pytest.mark.row("DA10")
def test_what_is_wrong_in_an_archive_is_said_by_the_path_that_was_given(class_folders: Any, tmp_path: Path) -> None:
    folder = class_folders({**COUNTS, "lily": 0})
    (folder / "lily" / "a.md").write_text("no image")
    path = zipped(folder, tmp_path / "flowers.zip")
    with pytest.raises(DataError, match=rf"^The class folder {path}/lily has no image\."):
        AutoDataset(path)
    (folder / "lily" / "a.md").unlink()
    (folder / "rose" / "bad.png").write_text("no image")
    path = zipped(folder, tmp_path / "flowers.zip")
    with pytest.raises(DataError, match=rf"^{path}/rose/bad.png cannot be read as an image: .* Repair or remove"):
        AutoDataset(path).open()
    data = AutoDataset(path, on_bad_rows="skip")
    facts = data.open().facts
    assert any(note.startswith(f"Left out 1 image: {path}/rose/bad.png cannot") for note in data.notes)
    with pytest.raises(DataError, match=rf"^{path}/rose/bad.png cannot be read as an image"):
        labelled(path, facts)
    (tmp_path / "outer").mkdir()
    path.rename(tmp_path / "outer" / "flowers.zip")
    with pytest.raises(DataError, match=r"^outer\.zip holds nothing but archives: 'flowers\.zip'\. Unpack it"):
        AutoDataset(zipped(tmp_path / "outer", tmp_path / "outer.zip"))
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    with pytest.raises(DataError, match=r"^empty\.zip holds no files\."):
        AutoDataset(tmp_path / "empty.zip")


def member(name: str, **settings: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for setting, value in settings.items():
        setattr(info, setting, value)
    return info


@pytest.mark.row("DA10")
@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("../out.png"), "its member '../out.png' lies outside"),
        (member("/etc/out.png"), "its member '/etc/out.png' lies outside"),
        (member("a/link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "'a/link.png' is a link or a device"),
        (member("a/hard.png", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "'a/hard.png' is a link or a device"),
    ],
)
def test_an_archive_that_climbs_out_or_links_is_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(info, io.BytesIO())
    with pytest.raises(DataError, match=message):
        AutoDataset(tmp_path / "a.tar")
    assert not (tmp_path.parent / "out.png").exists()


@pytest.mark.row("DA10")
def test_a_zip_that_climbs_out_or_links_or_has_a_file_without_a_name_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    nameless = zipfile.ZipInfo("")
    for number, info in enumerate((zipfile.ZipInfo("../out.png"), link, zipfile.ZipInfo("."), nameless)):
        path = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(info, "x")
        with pytest.raises(DataError, match="cannot be trusted: its member"):
            AutoDataset(path)


@pytest.mark.row("DA10")
def test_a_zip_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradfleet.data.unpacked_size._ALWAYS_FINE", 2**20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(20 * 2**20))
    with pytest.raises(DataError, match="unpacks to more than .* MB, 100 times its own size"):
        AutoDataset(path)


def test_an_archive_without_files_is_refused_before_it_is_kept(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "folders.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("rose/"), "")
    with pytest.raises(DataError, match=r"folders\.zip holds no files"):
        check(tmp_path / "folders.zip")


@pytest.mark.parametrize("is_64", [False, True])
def test_a_zip_of_too_many_files_is_refused_before_its_list_is_read(tmp_path: Path, *, is_64: bool) -> None:
    path, said = tmp_path / "many.zip", 300 * 2**20
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, said, 0, 0)
    if is_64:
        end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, said, 0)
        end += struct.pack("<4sLQL", b"PK\6\7", 0, said, 1)
        end += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    with path.open("wb") as file:
        file.truncate(said)  # nothing of it is on the disk
        file.seek(said)
        file.write(end)
    with pytest.raises(
        DataError, match=r"many\.zip cannot be unpacked: its list of files says that it has 314,572,800"
    ):
        check(path)


def test_what_is_no_archive_and_what_cannot_lie_on_a_disk_are_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"^bad\.zip cannot be unpacked: it is neither a zip nor a tar"):
        AutoDataset(tmp_path / "bad.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(DataError, match=r"^folder\.zip cannot be unpacked: .*Is a directory"):
        AutoDataset(tmp_path / "folder.zip")
    with zipfile.ZipFile(tmp_path / "clash.zip", "w") as packed:
        packed.writestr("rose", "a file")
        packed.writestr("rose/a.png", "a file in a folder")
    with pytest.raises(DataError, match=r"^clash\.zip cannot .*: it has a file and a folder of one name, 'rose'\.$"):
        AutoDataset(tmp_path / "clash.zip")


def test_a_tar_whose_header_swells_is_refused_before_it_is_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("rose/a.png")
    header.type, header.size = tarfile.XHDTYPE, 2**32  # names and such of the next file; nobody sends the rest of it
    for name, opened in {"a.tar": Path.open, "a.tar.gz": gzip.open}.items():
        with opened(tmp_path / name, "wb") as file:  # type: ignore[operator]
            file.write(header.tobuf() + bytes(2**16))
        with pytest.raises(DataError, match=r"(?s)cannot be unpacked: .*a header says that it has 4,294,967,296 bytes"):
            AutoDataset(tmp_path / name).open()


class Counted(tarfile.TarInfo):
    """A header that knows how many there are, and were at most."""

    alive = most = 0

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self) -> None:
        Counted.alive -= 1


def test_the_headers_of_a_tar_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "many.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for number in range(500):
            tar.addfile(tarfile.TarInfo(f"images/{number}.png"))
    monkeypatch.setattr(tarfile.TarFile, "tarinfo", Counted)
    check(packed)
    assert 0 < Counted.most < 20


def test_a_damaged_archive_and_a_missing_url_are_refused(class_folders: Any, tmp_path: Path) -> None:
    whole = tarred(class_folders(COUNTS), tmp_path / "a.tar.gz", "w:gz")
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.tar\.gz cannot be unpacked"):
        AutoDataset(whole)
    with pytest.raises(DataError, match=r"There is nothing at memory://nowhere/at-all"):
        AutoDataset("memory://nowhere/at-all")
    with pytest.raises(DataError, match=r"There is no file .*none\.zip"):
        AutoDataset(tmp_path / "none.zip")


def test_what_was_unpacked_goes_with_the_dataset(
    class_folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(class_folders(COUNTS), tmp_path / "a.zip")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    data = AutoDataset(archive)
    assert len(os.listdir(tmp_path / "temporary")) == 1
    del data
    assert os.listdir(tmp_path / "temporary") == []


def test_a_hub_name_offline_is_refused_with_what_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"'ag_news' is on the .* hub, which cannot be reached\. Offline, pass"):
        AutoDataset("hub:ag_news")
