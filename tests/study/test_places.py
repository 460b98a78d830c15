"""Where files lie when nobody says so: what has no place beside the checkpoints is nobody else's to read."""

from __future__ import annotations

import getpass
import tempfile
from pathlib import Path

import pytest

from gradfleet.errors import SettingError
from gradfleet.study.places import driver_log, prepared_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"gradfleet-{getpass.getuser()}"


def test_logs_of_a_bucket_lie_in_a_folder_of_ones_own_and_are_those_of_one_bucket(temporary: Path) -> None:
    one, other = driver_log("memory://one", "flowers"), driver_log("memory://other", "flowers")
    assert one != other
    assert one.is_relative_to(temporary)
    assert prepared_folder("memory://one").is_relative_to(temporary)
    assert temporary.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_somebody_else_has_put_there_is_refused(temporary: Path, tmp_path: Path) -> None:
    temporary.symlink_to(tmp_path)
    with pytest.raises(SettingError, match=f"{temporary} is somebody else's. Set TMPDIR to a folder of your own"):
        driver_log("memory://one", "flowers")


def test_local_ones_lie_beside_the_checkpoints(tmp_path: Path) -> None:
    assert driver_log(str(tmp_path), "flowers") == tmp_path / "flowers" / "driver.log"
    assert prepared_folder(str(tmp_path)) == tmp_path / "prepared"
