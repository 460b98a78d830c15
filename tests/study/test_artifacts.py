"""Checkpoints lie where the study says, on any file system, and only ours are deleted."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from gradfleet.errors import NotFoundError, SettingError
from gradfleet.study.artifacts import Artifacts
from gradfleet.trials import checkpoints


def save(address: str, text: str) -> str:
    def write(folder: Path) -> None:
        folder.mkdir()
        (folder / "weights").write_text(text)

    return checkpoints.write(address, write)


def test_a_trial_has_its_own_place() -> None:
    place = Artifacts("/data/kept/").place("digits", 3)
    assert checkpoints.epoch_address(place, 4) == "/data/kept/digits/trial-0003/epoch-0004"


def test_a_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Artifacts("kept").url == str(tmp_path / "kept")
    assert Artifacts(f"file://{tmp_path}/kept").url == str(tmp_path / "kept")


def test_an_unknown_file_system_is_refused() -> None:
    with pytest.raises(
        SettingError, match="Artifacts need a folder or a URL such as s3://bucket/folder, got 'nofs://x'"
    ):
        Artifacts("nofs://x")


@pytest.mark.parametrize("remote", [False, True])
def test_what_was_saved_is_fetched_and_deleted(tmp_path: Path, *, remote: bool) -> None:
    artifacts = Artifacts(f"memory://{tmp_path}" if remote else str(tmp_path))
    kept, gone = (save(artifacts.place("digits", number) + "/epoch-0001", f"of {number}") for number in (0, 1))
    assert (artifacts.fetch(gone) / "weights").read_text() == "of 1"
    artifacts.delete(gone)
    artifacts.delete(gone)
    with pytest.raises(NotFoundError, match=r"Nothing is at .*/trial-0001/epoch-0001"):
        artifacts.fetch(gone)
    assert (artifacts.fetch(kept) / "weights").read_text() == "of 0"
    artifacts.delete(artifacts.study("digits"))
    filesystem, path = fsspec.core.url_to_fs(artifacts.study("digits"))
    assert not filesystem.exists(path)


def test_a_local_checkpoint_is_not_copied(tmp_path: Path) -> None:
    address = save(str(tmp_path / "digits" / "epoch-0001"), "here")
    assert Artifacts(str(tmp_path)).fetch(address) == Path(address)


@pytest.mark.parametrize("outside", ["{0}/theirs", "{0}/kept/../theirs", "{0}/kept", "{0}/kept-too", "{0}"])
def test_what_is_not_ours_is_left_alone(tmp_path: Path, outside: str) -> None:
    for name in ("theirs", "kept", "kept-too"):
        save(str(tmp_path / name), "precious")
    Artifacts(str(tmp_path / "kept")).delete(outside.format(tmp_path))
    assert len(list(tmp_path.glob("*/weights"))) == 3
